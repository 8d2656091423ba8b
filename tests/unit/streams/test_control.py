"""Following the control topic: nothing that is read there may end it without a word."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest

from streams.control.claims import BackfillOrder, Control, claim_key
from streams.topics import Names


class Consumer:
    """Hands out what it was given, one batch a call; then nothing comes."""

    def __init__(self, batches: Sequence[tuple[bytes, bytes]]) -> None:
        self._batches = list(batches)

    async def getmany(self, *, timeout_ms: int) -> Mapping[str, list[SimpleNamespace]]:
        if not self._batches:
            await asyncio.sleep(3_600)
        key, value = self._batches.pop(0)
        return {"control": [SimpleNamespace(offset=7, key=key, value=value)]}


def control(monkeypatch: pytest.MonkeyPatch, *records: tuple[bytes, bytes]) -> Control:
    monkeypatch.setattr("streams.control.claims.AIOKafkaConsumer", lambda **_: Consumer(records))

    def foreign(stage: str, partition: int, offset: int, worker: str) -> None:
        raise LookupError(f"{stage}/{partition}")

    return Control("", Names("g"), None, worker="x", on_foreign=foreign, options={})  # type: ignore[arg-type]


def test_what_breaks_while_a_record_is_taken_ends_the_worker(monkeypatch: pytest.MonkeyPatch):
    async def run() -> list[BaseException]:
        found = control(monkeypatch, (claim_key("graph", 3), b'{"token":"t","worker":"w"}'))
        failures: list[BaseException] = []
        found.on_failure = failures.append
        await asyncio.wait_for(found._follow(), 5.0)
        return failures

    (failure,) = asyncio.run(run())
    assert isinstance(failure, LookupError)
    assert str(failure) == "graph/3"


@pytest.mark.parametrize("rate", [b"-1", b"1e9", b"1e400", b"null"])
def test_a_backfill_of_no_rate_that_a_worker_can_keep_is_left_out(
    monkeypatch: pytest.MonkeyPatch, rate: bytes
):
    async def run() -> list[BackfillOrder]:
        found = control(
            monkeypatch,
            (b"backfill", b'{"rate":2.5}'),
            (b"backfill", b'{"rate":%s}' % rate),
            (b"backfill", b'{"rate":1000000}'),
        )
        orders: list[BackfillOrder] = []
        found.on_backfill = orders.append
        for _ in range(3):
            await found._read(told=True)
        return orders

    assert [order.rate for order in asyncio.run(run())] == [2.5, 1_000_000.0]
