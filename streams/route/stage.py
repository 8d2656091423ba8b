"""ROUTE: any topic, any format in; events by shopper and products by id out. READ THIS FIRST.

    source topic --find--> source --read--> what it says --check, pseudonymise, scrub--> messages

A source (`streams/sources/`) makes values of a Kafka record: `RawEvent`, `RawProduct`, `Rejected`
or `Unused`, with the shop's own ids. Here, and only here, they become safe: ids are HMAC-ed, text
is scrubbed, impossible times are dead letters. From here on nobody sees a raw id (DESIGN, rule 10).

ROUTE has no state: the same record gives the same messages, so that redelivery does no harm (rule
2 is for totals; an event that comes twice has the same id and SHOPPERS counts it once). Every
record ends in one outcome (rule 8): `used`, `dead_letter` (any part of it could not be read),
`unused` (read, and the graph makes nothing of it: an impression) or `stale` (a tombstone that
means nothing).

An event's id is the source's own, hashed; for a search without one its query id and text, so that
the query and the event that UBI sends of one search are one; else where the record stands.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, cast

import msgspec

from streams import sources
from streams.dead_letters import TOPIC as DEAD_LETTERS
from streams.dead_letters import dead_letter
from streams.errors import SettingsError, SourceError
from streams.events import (
    Click,
    Product,
    Purchase,
    Return,
    Search,
    encode_event,
    encode_product,
)
from streams.outcomes import DEAD_LETTER, STALE, UNUSED, USED
from streams.ports import Message, Record
from streams.privacy import (
    ORDER,
    QUERY,
    SESSION,
    SHOPPER,
    Pseudonyms,
    head,
    normalise_query,
    scrub_catalog,
    shopper_id,
)
from streams.sources.actions import PURCHASE_ACTIONS
from streams.sources.said import (
    PURCHASE,
    RETURN,
    SEARCH,
    RawEvent,
    RawProduct,
    Rejected,
    Said,
    Source,
    Unused,
)
from streams.topics import partition_of

EVENTS: Final = "events"
CATALOG: Final = "catalog"
_OUT: Final = {topic: f"{topic}.out" for topic in (EVENTS, CATALOG, DEAD_LETTERS)}
HOUR_MS: Final = 3_600_000
MIN_SECRET_BYTES: Final = 16
MAX_ID_CHARS: Final = 200
MAX_TITLE_CHARS: Final = 1_000
MAX_DESCRIPTION_CHARS: Final = 20_000
MAX_VALUE_CHARS: Final = 1_000
MAX_ATTRIBUTES: Final = 1_000
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no key, no node id and no JSON text may hold: controls, line ends, lone surrogates."""


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """What an operator decides about ROUTE.

    Attributes:
        sources: the shop's topic (full name) -> its format, or a field-mapping file.
        secret: key of the pseudonyms, at least 16 bytes, the same as long as the graph lives.
        partitions: of `events` and `catalog`.
        process: name of this ROUTE process, part of the key of catalog records.
        purchase_actions: words of the shop's events that count as a purchase.
        future_ms: how far an event may be ahead of its record's Kafka timestamp.
        max_bytes: longest value that is read.
    """

    sources: Mapping[str, str]
    secret: bytes
    partitions: int
    process: str = "0"
    purchase_actions: tuple[str, ...] = PURCHASE_ACTIONS
    future_ms: int = HOUR_MS
    max_bytes: int = 2 * 1024 * 1024


class Routed(NamedTuple):
    """What a batch of source records became.

    Attributes:
        messages: for `events`, `catalog` (partition given) and `dead-letters`, in order.
        tally: "<source topic>.<outcome>" sums to the number of records; "dead.<reason>" and
            "unused.<why>" count parts of records; "events.out", "catalog.out" and
            "dead-letters.out" count messages.
    """

    messages: list[Message]
    tally: Counter[str]


class Route:
    """The stage. Build one per process; mapping files are read once, here.

    Raises:
        SettingsError: the secret is too short.
        SourceError: a format is unknown, or a mapping file cannot be used.
    """

    def __init__(self, settings: RouteSettings) -> None:
        if len(settings.secret) < MIN_SECRET_BYTES:
            raise SettingsError(
                f"the secret has {len(settings.secret)} bytes, it needs {MIN_SECRET_BYTES}: set "
                "CARTOGRAPH_SECRET to a long random text and keep it"
            )
        self._settings = settings
        self._sources = {
            topic: sources.find(spec, settings.purchase_actions)
            for topic, spec in settings.sources.items()
        }
        self._names = Pseudonyms(settings.secret)
        self.newest_ms = -1
        """Highest event time of the events that were sent; -1 before there is one."""
        self._shopper = lru_cache(maxsize=1 << 16)(self._find_shopper)

    def route(self, topic: str, partition: int, records: Sequence[Record]) -> Routed:
        """Messages for a fetched batch of one source topic, and how its records ended.

        Raises:
            SourceError: the topic is not among the settings.
        """
        source = self.source(topic)
        routed = Routed([], Counter())
        ends: dict[str, int] = {}
        for record in records:
            said = self._read(source, record)
            end = STALE if said is None else self._send(routed, topic, partition, record, said)
            ends[end] = ends.get(end, 0) + 1
        for outcome, count in ends.items():
            routed.tally[f"{topic}.{outcome}"] = count
        for message in routed.messages:
            routed.tally[_OUT[message.topic]] += 1
        return routed

    def event_time(self, topic: str, record: Record) -> int | None:
        """Event time of a record, for reading a backlog of several topics in its order."""
        return None if record.value is None else self.source(topic).event_time(record.value)

    def source(self, topic: str) -> Source:
        """How a topic is read.

        Raises:
            SourceError: the topic is not among the settings.
        """
        try:
            return self._sources[topic]
        except KeyError:
            raise SourceError(
                f"topic {topic!r} has no format: add it to the setting `sources`, which names "
                f"{', '.join(sorted(self._sources)) or 'none'}"
            ) from None

    def _read(self, source: Source, record: Record) -> Sequence[Said] | None:
        """What the record says; None: it has no value, and withdraws nothing."""
        value = record.value
        if value is None:
            if not source.catalog or not record.key:
                return None
            return (_withdrawn(record.key),)
        if len(value) > self._settings.max_bytes:
            return (
                Rejected("too_long", f"{len(value)} bytes, at most {self._settings.max_bytes}"),
            )
        return source.read(value)

    def _send(
        self, routed: Routed, topic: str, partition: int, record: Record, said: Sequence[Said]
    ) -> str:
        """Add the messages of one record; its outcome."""
        outcome = UNUSED
        for part, each in enumerate(said):
            made: Message | Rejected | Unused
            if type(each) is RawEvent:
                made = self._event(each, topic, partition, record, part)
            elif type(each) is RawProduct:
                made = self._product(each, partition, record)
            else:
                made = cast("Rejected | Unused", each)
            if type(made) is Message:
                routed.messages.append(made)
                if outcome == UNUSED:
                    outcome = USED
            elif type(made) is Rejected:
                letter = dead_letter(topic, partition, record, made.reason, made.detail, item=part)
                routed.messages.append(Message(DEAD_LETTERS, None, *letter))
                routed.tally[f"dead.{made.reason}"] += 1
                outcome = DEAD_LETTER
            elif type(made) is Unused:
                routed.tally[f"unused.{made.why}"] += 1
        return outcome

    def _event(
        self, raw: RawEvent, topic: str, partition: int, record: Record, part: int
    ) -> Message | Rejected:
        at_ms = record.at_ms if raw.at_ms is None else raw.at_ms
        if at_ms > record.at_ms + self._settings.future_ms:
            ahead = (at_ms - record.at_ms) // HOUR_MS
            return Rejected("future", f"{ahead} hours ahead of the record's Kafka timestamp")
        if at_ms < 0:
            return Rejected("bad_time", "before 1970")
        if at_ms > self.newest_ms:
            self.newest_ms = at_ms
        shopper, key, to = self._shopper(raw.shopper)
        if not shopper:
            return Rejected("missing_id", "no shopper: neither a client, nor a user, nor a session")
        short = self._names.short
        query_id = short(raw.query_id, QUERY) if raw.query_id else ""
        session = short(raw.session, SESSION) if raw.session else ""
        kind = raw.kind
        query = ""
        product: str | Rejected = ""
        if kind == SEARCH:
            query = normalise_query(raw.query)
            if not query:
                return Rejected("empty_query", "a search without text")
        else:
            product = product_id(raw.product)
            if type(product) is Rejected:
                return product
        if raw.id:
            event_id = self._names.event(f"{topic}\0{kind}\0{raw.item}\0{raw.id}")
        elif query and query_id:
            event_id = self._names.event(f"{raw.shopper}\0{raw.query_id}\0{query}")
        else:
            event_id = f"{topic}/{partition}/{record.offset}" + (f"/{part}" if part else "")
        order = short(raw.order, ORDER) if raw.order else ""
        event: Search | Click | Purchase | Return
        if kind == SEARCH:
            event = Search(event_id, at_ms, shopper, query, query_id, session)
        elif kind == PURCHASE:
            event = Purchase(event_id, at_ms, shopper, str(product), query_id, session, order)
        elif kind == RETURN:
            event = Return(event_id, at_ms, shopper, str(product), session, order)
        else:
            event = Click(event_id, at_ms, shopper, str(product), query_id, session)
        return Message(EVENTS, to, key, encode_event(event))

    def _find_shopper(self, raw: str) -> tuple[str, bytes, int]:
        """Pseudonym, key and partition; ("", b"", 0) for nobody."""
        raw = shopper_id(raw)
        if not raw:
            return "", b"", 0
        name = self._names.of(raw, SHOPPER)
        key = name.encode()
        return name, key, partition_of(key, self._settings.partitions)

    def _product(
        self, raw: RawProduct, source_partition: int, record: Record
    ) -> Message | Rejected:
        name = product_id(raw.id)
        if isinstance(name, Rejected):
            return name
        attributes: dict[str, list[str]] = {}
        for field, values in list(raw.attributes.items())[:MAX_ATTRIBUTES]:
            clean = [text for value in values if (text := _clean(value, MAX_VALUE_CHARS))]
            if clean and (field_name := _clean(field, MAX_ID_CHARS)):
                attributes.setdefault(field_name, []).extend(clean)
        product = Product(
            name,
            _clean(raw.title, MAX_TITLE_CHARS),
            _clean(raw.description, MAX_DESCRIPTION_CHARS),
            tuple(text for each in raw.category if (text := _clean(each, MAX_VALUE_CHARS))),
            attributes,
            (source_partition, record.offset),
            raw.deleted,
        )
        owner = name.encode()
        partition = partition_of(owner, self._settings.partitions)
        key = owner + b"\0" + self._settings.process.encode()
        return Message(CATALOG, partition, key, encode_product(product))


@lru_cache(maxsize=1 << 16)
def product_id(raw: str) -> str | Rejected:
    """A product's id as it stands in keys and node ids, or why it cannot."""
    name = raw.strip()
    if not name:
        return Rejected("missing_id", "no product")
    if len(name) > MAX_ID_CHARS:
        return Rejected("bad_id", f"a product id of {len(name)} characters, at most {MAX_ID_CHARS}")
    if not name.isprintable() and _UNSAFE.search(name):
        return Rejected("bad_id", "a product id with a control character")
    return name


def _clean(text: str, limit: int) -> str:
    """Text of a product: scrubbed, without control characters, at most `limit` characters."""
    if not text.isprintable():
        text = _UNSAFE.sub(" ", text)
    return scrub_catalog(head(text, limit)).strip()[:limit].rstrip()


def _withdrawn(key: bytes) -> Said:
    """The product that the key of a tombstone names: plain text, or a JSON string."""
    try:
        name = msgspec.json.decode(key, type=str) if key[:1] == b'"' else key.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Rejected("bad_id", "a tombstone whose key is no text")
    return RawProduct(name, deleted=True)
