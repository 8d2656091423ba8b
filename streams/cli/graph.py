"""Every fact of the graph, for commands that look at all of it."""

from collections.abc import Callable, Iterator

from streams.cli.setup import address_of
from streams.serve.ask import asking
from streams.settings import Settings
from topology.facts import Fact


def all_facts(settings: Settings, note: Callable[[str], None] = lambda _: None) -> Iterator[Fact]:
    """Every fact as the topic of facts now tells it, whatever its status, by id.

    Brings this machine's replica up to date first, or waits until the running `serve` that holds
    it has read as far, and then asks that one. Not from inside a running event loop.

    Args:
        settings: without an address of Kafka the embedded broker is asked.
        note: told what is waited for, when it takes long.

    Raises:
        CartographError, TopologyError: there is no such graph, or its broker does not answer.
    """
    with asking(settings.with_(kafka=address_of(settings)), note) as graph:
        yield from graph.facts()
