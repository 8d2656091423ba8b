"""Which values the products of one partition use, told to the attributes that own them.

Of every attribute the values that count as used (`Reading.used`). Of `product_type` besides what
titles call a type and the ontology has no name for, each under the type that its products count
as, and the names of all types that products count as: so that `same_as` can find out that a phrase
is another name of a type in use.
"""

from streams.products.rows import Reading
from streams.products.samples import PRODUCT, Samples
from streams.totals.messages import NAMED_BY, USED_BY
from streams.totals.outbox import Outbox
from streams.totals.wire import join
from topology.facts import type_node
from topology.phrases import ATTRIBUTE, UNKNOWN
from topology.wording import text_of

_OWNER = f"attr:{ATTRIBUTE}".encode()


class Values:
    """Totals u and k of attributes (`totals/messages.py`)."""

    def __init__(self, outbox: Outbox, samples: Samples) -> None:
        self._outbox, self._samples = outbox, samples

    def move(self, node: str, old: Reading, new: Reading) -> None:
        """The product `node` counted as `old`, and from now on as `new`."""
        before, after = _used(old), _used(new)
        self._use(before - after, -1)
        self._use(after - before, 1)
        named, names = _named(old), _named(new)
        self._name(node, named - names, -1)
        self._name(node, names - named, 1)

    def _use(self, values: set[str], delta: int) -> None:
        for value in sorted(values):
            attribute, _, slug = value.removeprefix("value:").partition("/")
            key = join(f"attr:{attribute}".encode(), USED_BY, value.encode())
            self._outbox.add("claims", key, delta)
            self._outbox.describe("claims", key, text_of(slug).encode())

    def _name(self, node: str, named: set[tuple[str, str]], delta: int) -> None:
        for phrase, kind in sorted(named):
            key = join(_OWNER, NAMED_BY, phrase.encode(), kind.encode())
            self._outbox.add("claims", key, delta)
            self._samples.move(key, PRODUCT, node, delta)


def _used(reading: Reading) -> set[str]:
    return {*reading.used, *reading.phrases, *filter(None, (reading.name,))}


def _named(reading: Reading) -> set[tuple[str, str]]:
    """Each phrase of the title, with the type that the product counts as."""
    kind = type_node(reading.type) if reading.type else UNKNOWN
    return {(phrase, kind) for phrase in reading.phrases}
