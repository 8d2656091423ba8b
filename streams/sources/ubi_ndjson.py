"""UBI as OpenSearch's bulk files hold it: an action line, then the query or event it indexes.

    {"index": {"_index": "ubi_events", "_id": "adbef2c4"}}
    {"action_name": "click", "client_id": "127c9afc", ...}

A Kafka record holds any number of such pairs, or documents alone. `_id` is the event's id where
the document has none.
"""

from collections.abc import Iterable, Sequence

import msgspec

from streams.sources import json_text, native
from streams.sources.actions import PURCHASE_ACTIONS, Actions
from streams.sources.fields import Id
from streams.sources.said import Rejected, Said, Source, Unused


class _Target(msgspec.Struct, gc=False):
    id: Id = msgspec.field(default=None, name="_id")


class _Action(msgspec.Struct, gc=False):
    index: _Target | None = None
    create: _Target | None = None


_decode_action = msgspec.json.Decoder(_Action).decode
_WITH_DOCUMENT = (b'{"index"', b'{"create"', b'{ "index"', b'{ "create"')
_ALONE = Rejected("unknown_record", "a bulk action line without its document")


def source(purchase_actions: Iterable[str] = PURCHASE_ACTIONS) -> Source:
    """Bulk records. Source of the format: OpenSearch `_bulk` API, newline-delimited JSON."""
    actions = Actions(purchase_actions)

    def read(value: bytes) -> Sequence[Said]:
        said: list[Said] = []
        target: _Target | None = None
        for line in _lines(value):
            if not line.startswith(_WITH_DOCUMENT):
                said += native.read_one(line, actions, target.id if target else None)
                target = None
                continue
            if target is not None:
                said.append(_ALONE)
            action = json_text.decode(_decode_action, line)
            if isinstance(action, Rejected):
                said.append(action)
                target = None
            else:
                target = action.index or action.create or _Target()
        if target is not None:
            said.append(_ALONE)
        return said or [Unused("empty")]

    return Source(read, event_time)


def event_time(value: bytes) -> int | None:
    """Event time of the first document."""
    for line in _lines(value):
        if not line.startswith(_WITH_DOCUMENT):
            return native.event_time(line)
    return None


def _lines(value: bytes) -> list[bytes]:
    return [line for line in map(bytes.strip, value.split(b"\n")) if line]
