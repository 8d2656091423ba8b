import asyncio

import pytest

from models_onnx.errors import InferenceError
from models_onnx.tokens import Encoded
from models_onnx.workers import Workers

PROBE = Encoded([1, 2], [0, 1], [])


class Echo:
    """A session that answers with the sum of a text's ids; fails on the ids given."""

    def __init__(self, *, device="cpu", fails_on=()):
        self.device = device
        self.fails_on = set(fails_on)
        self.shapes = []

    def run(self, ids, mask, types):
        self.shapes.append(ids.shape)
        if self.fails_on & set(ids.ravel().tolist()):
            raise InferenceError("failed")
        return [(ids * mask).sum(axis=1)]


def encode(number):
    return Encoded([number] * (number % 5 + 1), [1] * (number % 5 + 1), [])


def read(number, encoded, row):
    return number, None if row is None else int(row[0])


def expected(numbers, without=()):
    return [(n, None if n in without else n * (n % 5 + 1)) for n in numbers]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_answers_come_in_the_order_of_the_texts(device, count):
    workers = Workers(Echo(device=device), probe=PROBE, pad=0, threads=3)
    numbers = list(range(10, 10 + count))
    assert workers.map(numbers, encode, read) == expected(numbers)
    assert asyncio.run(workers.map_async(numbers, encode, read)) == expected(numbers)
    workers.close()


def test_on_cpu_no_text_is_padded_or_shares_a_call():
    session = Echo()
    workers = Workers(session, probe=PROBE, pad=0, threads=2)
    workers.map(list(range(20)), encode, read)
    assert sorted(session.shapes[1:]) == sorted((1, n % 5 + 1) for n in range(20))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_text_that_the_model_fails_on_is_set_aside_alone(device):
    session = Echo(device=device, fails_on={13})
    workers = Workers(session, probe=PROBE, pad=0, threads=2)
    assert workers.map(list(range(10, 30)), encode, read) == expected(range(10, 30), {13})
    assert workers.set_aside == 1


def test_a_broken_session_is_an_error_and_not_a_batch_of_empty_answers():
    session = Echo()
    workers = Workers(session, probe=PROBE, pad=0, threads=2)
    session.fails_on = {2, 13}
    with pytest.raises(InferenceError):
        workers.map(list(range(10, 30)), encode, read)


def test_a_session_that_fails_from_the_start_is_refused():
    with pytest.raises(InferenceError):
        Workers(Echo(fails_on={2}), probe=PROBE, pad=0)
