"""Requests, lines and facts as SERVE and the commands read them."""

import asyncio
import functools
import io
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from models_onnx.fakes import FakeTagger
from streams.cli import model_lines
from streams.ports import Record
from streams.serve.api import build_api
from streams.serve.guard import Gate
from streams.serve.reader import Readiness
from streams.serve.replica import Replica
from streams.settings import Settings
from tests.fuzz.seeds import FACT, folder
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader
from topology.store.memory import MemoryStore

App = Callable[..., Awaitable[None]]
_WORST = 500


@functools.cache
def _api() -> App:
    settings = Settings(data_dir=folder(), api_rate=0.0)
    reader, ready = MemoryReader([FACT]), Readiness(True, (), {})
    return build_api(
        reader, FakeTagger(LEXICON), small_ontology(), lambda: ready, gate=Gate(settings)
    )


def ask_api(data: bytes) -> None:
    """Path, query and body, on lines of their own: any answer but one that tells of a bug."""
    path, _, rest = data.partition(b"\n")
    query, _, body = rest.partition(b"\n")
    decoded = path.decode("latin-1")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST" if body else "GET",
        "scheme": "http",
        "path": decoded,
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    asyncio.run(_api()(scope, receive, send))  # type: ignore[arg-type]
    if answered[0] >= _WORST:
        raise AssertionError(f"answered with {answered[0]}")


class _Line(msgspec.Struct):
    text: str
    id: str | int | None = None


def ask_line(data: bytes) -> None:
    """A stream of lines: each is answered, those that cannot be read with an error."""
    written = io.BytesIO()
    outcome = model_lines.answer(
        io.BytesIO(data).read,
        written.write,
        lambda: None,
        _Line,
        "a text",
        lambda asked: [_Line("", each.id) for each in asked],
    )
    if written.getvalue().count(b"\n") != outcome.lines:
        raise AssertionError("a line was not answered")


def read_replica(data: bytes) -> None:
    """One record of the topic of facts: the length of the key, key, value."""
    if not data:
        return
    replica = Replica(MemoryStore(), graph="test/1")
    record = Record(0, 1, data[1 : 1 + data[0]], data[1 + data[0] :])
    if sum(replica.read(0, [record], 1)) != 1:
        raise AssertionError("the record was not counted")
    replica.commit()
