import asyncio

import pytest

from models_onnx.errors import InferenceError
from models_onnx.fakes import FakeSession
from models_onnx.tokens import Encoded
from models_onnx.workers import Watch, Workers

PROBE = Encoded([1, 2], [0, 1], [])


def encode(number):
    return Encoded([number] * (number % 5 + 1), [1] * (number % 5 + 1), [])


def read(number, encoded, row):
    return number, None if row is None else int(row[0])


def expected(numbers, without=()):
    return [(n, None if n in without else n * (n % 5 + 1)) for n in numbers]


def workers(session, **more):
    return Workers(session, probe=PROBE, pad=0, longest=16, **more)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("count", [0, 1, 5, 200, 3_000])
def test_answers_come_in_the_order_of_the_texts(device, count):
    made = workers(FakeSession(device), threads=3)
    numbers = list(range(10, 10 + count))
    assert made.map(numbers, encode, read) == expected(numbers)
    assert asyncio.run(made.map_async(numbers, encode, read)) == expected(numbers)
    made.close()


def test_on_cpu_no_text_is_padded_or_shares_a_call():
    session = FakeSession()
    workers(session, threads=2).map(list(range(20)), encode, read)
    assert sorted(session.shapes[1:]) == sorted((1, n % 5 + 1) for n in range(20))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_text_that_the_model_fails_on_is_set_aside_alone(device):
    made = workers(FakeSession(device, fails_on={13}), threads=2)
    assert made.map(list(range(10, 30)), encode, read) == expected(range(10, 30), {13})
    assert made.set_aside == 1
    assert made.device == device


def test_a_broken_session_is_an_error_and_not_a_batch_of_empty_answers():
    session = FakeSession()
    made = workers(session, threads=2)
    session.broken = True
    with pytest.raises(InferenceError):
        made.map(list(range(10, 30)), encode, read)


def test_a_session_that_fails_from_the_start_is_refused():
    with pytest.raises(InferenceError):
        workers(FakeSession(fails_on={2}))


def test_the_event_loop_goes_on_while_the_model_works():
    made = workers(FakeSession(), threads=1)
    turns = 0

    def slow(number, encoded, row):
        asyncio.run_coroutine_threadsafe(turn(), loop).result(timeout=5)  # needs a free loop
        return read(number, encoded, row)

    async def turn():
        nonlocal turns
        turns += 1

    async def main():
        global loop
        loop = asyncio.get_running_loop()
        return await made.map_async([10, 11, 12], encode, slow)

    assert asyncio.run(main()) == expected([10, 11, 12])
    assert turns == 3


class Seen(Watch):
    def __init__(self):
        self.calls = []

    def ran(self, **told):
        self.calls.append(told)


@pytest.mark.parametrize(("device", "padded"), [("cpu", 6), ("cuda", 16 * 16)])
def test_what_was_computed_is_told_with_its_padding(device, padded):
    made, seen = workers(FakeSession(device), threads=1), Seen()
    made.observe(seen)
    made.map([10, 11, 12], encode, read)  # of 1, 2 and 3 tokens
    (call,) = seen.calls
    assert (call["items"], call["tokens"], call["padded"]) == (3, 6, padded)
    assert call["queued_s"] >= 0
    assert call["ran_s"] > 0


def test_a_gpu_that_fails_for_good_is_told_and_the_cpu_uses_all_its_threads():
    cpu = FakeSession("cpu")
    session = FakeSession("cuda", next={"cpu": cpu})
    made = workers(session, threads=2)
    assert not made.is_degraded
    session.broken = True
    assert made.map(list(range(10, 90)), encode, read) == expected(range(10, 90))
    assert (made.device, made.is_degraded) == ("cpu", True)
    assert made.map(list(range(10, 90)), encode, read) == expected(range(10, 90))
    assert {height for height, _ in cpu.shapes} == {1}
