"""Real files played as a shop's topics: what each format gives, in the order of event time. Pure.

Every Kafka record carries what the shop's own system would send, and ROUTE reads it by the source
of that name (`FORMATS`), so that playing a file tries the real way of the data:

| format           | events topic                               | catalog topic                    |
|------------------|--------------------------------------------|----------------------------------|
| native           | a line of JSON, UBI query or event         | a line of JSON, a product        |
| ubi              | an action line and its document (two lines)| native, from the objects' names  |
| online-retail    | one CSV line, without the header           | native, from the descriptions    |
| complete-journey | one CSV line of the transactions           | one CSV line of the products     |
| icecat, myntra   |                                            | a line of JSON                   |
| mapping:FILE     | a line of JSON                             | a line of JSON ([catalog] files) |

A line of `online-retail` names its product, and so do UBI events; ROUTE has no state to tell a
name that is new from one that is not. So `play` tells the product once, before the first event
that names it so, as a native catalog record.

Files are read line by line, gzipped or not, in the order given, and a line that its source cannot
read is played too: ROUTE makes a dead letter of it. Files of `ubi` and the transactions of
`complete-journey` are in no order: they are read whole and sorted by time.

`at_ms` is event time. It need not be the Kafka timestamp: a topic that keeps records for a time by
their own timestamp would drop a year-old one at once, and ROUTE takes times of the past anyway.
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from streams import sources
from streams.errors import SourceError
from streams.sources import complete_journey, online_retail
from streams.sources.fields import Id, id_of
from streams.sources.said import RawEvent, RawProduct, Said, Source

TopicKind: TypeAlias = Literal["events", "catalog"]
EVENTS: Final = "events"
CATALOG: Final = "catalog"


class Format(NamedTuple):
    """Names of the sources that read what a format plays; "" where it has no such topic."""

    events: str
    catalog: str


FORMATS: Final[dict[str, Format]] = {
    "native": Format("native", "native-catalog"),
    "ubi": Format("ubi", "native-catalog"),
    "online-retail": Format("online-retail", "native-catalog"),
    "complete-journey": Format("complete-journey", "complete-journey-products"),
    "icecat": Format("", "icecat"),
    "myntra": Format("", "myntra"),
}


class Played(NamedTuple):
    """A record to produce to the shop's topic.

    Attributes:
        kind: which of the two topics.
        key: the shopper's or product's own id, so that each stays in one partition; None: any.
        at_ms: event time; None for a catalog record without one.
    """

    kind: TopicKind
    key: bytes | None
    value: bytes
    at_ms: int | None


def format_of(name: str) -> Format:
    """The sources of a format; "mapping:FILE" is looked at to see what it reads.

    Raises:
        SourceError: there is no such format.
    """
    if name in FORMATS:
        return FORMATS[name]
    if name.startswith(sources.MAPPING) or name.endswith(".toml"):
        return Format("", name) if sources.find(name).catalog else Format(name, "")
    raise SourceError(
        f"{name!r} is no format to play: use one of {', '.join(FORMATS)}, or mapping:FILE.toml"
    )


def open_play(
    name: str, files: Sequence[Path], *, limit: int | None = None, from_ms: int | None = None
) -> Iterator[Played]:
    """Records of the files, ready to be produced.

    Args:
        name: a format of `FORMATS`, or "mapping:FILE".
        files: to play, one after the other.
        limit: at most so many records of the files; products told on the way come on top.
        from_ms: events before this time are passed over.

    Raises:
        SourceError: the format is unknown, or a file cannot be read as it.
    """
    if not files:
        raise SourceError(f"nothing to play: name the files of format {name!r}")
    played = _play(name, format_of(name), files)
    if from_ms is not None:
        played = (each for each in played if _since(each.record, from_ms))
    return _with_products(played if limit is None else islice(played, limit))


def pace(records: Iterable[Played], speed: float) -> Iterator[tuple[float, Played]]:
    """Each record with the seconds after the start at which it is due.

    Args:
        records: as from `open_play`.
        speed: seconds of event time in one of ours; 1.0 is as it happened, 0 as fast as can be.
            A record that is older than one before it is due with that one.

    Raises:
        SourceError: a negative speed.
    """
    if speed < 0:
        raise SourceError(f"speed {speed} is negative: use 0 for as fast as can be")
    first_ms: int | None = None
    due = 0.0
    for record in records:
        if speed > 0 and record.at_ms is not None:
            first_ms = record.at_ms if first_ms is None else first_ms
            due = max(due, (record.at_ms - first_ms) / 1000 / speed)
        yield due, record


class _Named(NamedTuple):
    """A record, and what it calls the product in it; "" where it names none."""

    record: Played
    product: str = ""
    title: str = ""


def _since(record: Played, from_ms: int) -> bool:
    return record.at_ms is None or record.at_ms >= from_ms


def _play(name: str, form: Format, files: Sequence[Path]) -> Iterator[_Named]:
    if name == "online-retail":
        return _retail(files)
    if name == "complete-journey":
        return map(_Named, _journey(files))
    lines = chain.from_iterable(map(_lines, files))
    if name == "ubi":
        return map(_named, _sorted(_told(form, _pairs(lines))))
    return map(_Named, _told(form, lines))


def _with_products(named: Iterable[_Named]) -> Iterator[Played]:
    """The records, with the products that they name told before them, once for each name."""
    seen: set[tuple[str, str]] = set()
    for record, product, title in named:
        if product and title and (product, title) not in seen:
            seen.add((product, title))
            value = msgspec.json.encode({"product_id": product, "title": title})
            yield Played(CATALOG, product.encode(), value, record.at_ms)
        yield record


def _told(form: Format, values: Iterable[bytes]) -> Iterator[Played]:
    """Values whose topic, key and time follow from what their source reads in them."""
    events = sources.find(form.events) if form.events else None
    catalog = sources.find(form.catalog) if form.catalog else None
    for value in values:
        said = _first(events or catalog, value)
        if isinstance(said, RawProduct) or events is None:
            key = said.id.encode() if isinstance(said, RawProduct) else None
            yield Played(CATALOG, key, value, None)
        else:
            key = said.shopper.encode() if isinstance(said, RawEvent) else None
            yield Played(EVENTS, key, value, events.event_time(value))


def _first(source: Source | None, value: bytes) -> Said | None:
    said = source.read(value) if source else ()
    return said[0] if said else None


def _retail(files: Sequence[Path]) -> Iterator[_Named]:
    for file in files:
        for value in _csv_lines(file, online_retail.COLUMNS):
            line = online_retail.look(value)
            record = Played(EVENTS, line.shopper.encode() or None, value, line.at_ms)
            sold = isinstance(line.said, RawEvent)  # else the description is a note: "found"
            yield _Named(record, line.product, line.title) if sold else _Named(record)


def _journey(files: Sequence[Path]) -> Iterator[Played]:
    transactions: list[Path] = []
    for file in files:
        header = next(iter(_lines(file)), b"")
        if header.decode("utf-8", "replace").split(",") == list(complete_journey.PRODUCT_COLUMNS):
            for value in _csv_lines(file, complete_journey.PRODUCT_COLUMNS):
                yield Played(CATALOG, value.partition(b",")[0], value, None)
        else:
            transactions.append(file)
    yield from _sorted(
        Played(EVENTS, value.partition(b",")[0], value, complete_journey.event_time(value))
        for file in transactions
        for value in _csv_lines(file, complete_journey.TRANSACTION_COLUMNS)
    )


def _sorted(played: Iterable[Played]) -> Iterator[Played]:
    """By time, else as they came; one without a time stays behind the one before it."""
    rows: list[tuple[int, int, Played]] = []
    last_ms = 0
    for record in played:
        last_ms = last_ms if record.at_ms is None else record.at_ms
        rows.append((last_ms, len(rows), record))
    rows.sort(key=itemgetter(0, 1))
    return (record for _, _, record in rows)


class _Object(msgspec.Struct):
    object_id: Id = None
    description: str | None = None


class _About(msgspec.Struct):
    object: _Object | None = None


class _Document(msgspec.Struct):
    action_name: str | None = None
    event_attributes: _About | None = None


_NAMING: Final = frozenset(
    ("impression", "product_hover", "click", "item_click", "add_to_cart", "purchase")
)
_decode_document = msgspec.json.Decoder(_Document).decode


def _named(record: Played) -> _Named:
    """A UBI record with what it calls its object, if that is a product."""
    try:
        document = _decode_document(record.value.rpartition(b"\n")[2])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Named(record)
    about = document.event_attributes
    if about is None or about.object is None or document.action_name not in _NAMING:
        return _Named(record)  # a filter's object has a name too, and is no product
    return _Named(record, id_of(about.object.object_id), about.object.description or "")


def _pairs(lines: Iterable[bytes]) -> Iterator[bytes]:
    """An action line and its document as one value; a line alone as it is."""
    action: bytes | None = None
    for line in lines:
        if line.startswith((b'{"index"', b'{"create"')) and action is None:
            action = line
            continue
        yield line if action is None else action + b"\n" + line
        action = None
    if action is not None:
        yield action


def _csv_lines(file: Path, columns: Sequence[str]) -> Iterator[bytes]:
    """Lines without the header; a line break within quotes does not end one."""
    lines = iter(_lines(file))
    header = next(lines, b"").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if header.split(",") != list(columns):
        raise SourceError(
            f"{file}: the first line is not the expected header {','.join(columns)}: "
            "is it another file, or another format?"
        )
    held = b""
    for line in lines:
        whole = held + b" " + line if held else line
        if whole.count(b'"') % 2:
            held = whole
        else:
            held = b""
            yield whole
    if held:
        yield held


def _lines(file: Path) -> Iterator[bytes]:
    """Lines of a file that are not empty, without their ends."""
    try:
        with _open(file) as lines:
            for line in lines:
                if bare := line.strip():
                    yield bare
    except (OSError, EOFError) as error:
        raise SourceError(f"{file} cannot be played: {error}") from error


def _open(file: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")
