"""Every rung: memory, a new session, the CPU, a text alone; and that answers survive all of it."""

import numpy as np
import pytest

from models_onnx.errors import InferenceError, ShapeError
from models_onnx.fakes import FakeSession
from models_onnx.ladder import Ladder, Watch
from models_onnx.tokens import Encoded

PROBE = Encoded([1, 2], [0, 1], [])


class Seen(Watch):
    def __init__(self):
        self.told = []

    def out_of_memory(self):
        self.told.append("memory")

    def fell_back(self, reason):
        self.told.append(reason)

    def set_aside(self):
        self.told.append("aside")


def texts(count, longest=16):
    return [Encoded([n] * (n % longest + 1), [1] * (n % longest + 1), []) for n in range(3, count)]


def sums(ladder, wanted):
    return [None if row is None else int(row[0]) for row in ladder.rows(wanted)]


def right(wanted, without=()):
    return [None if set(text.ids) & set(without) else sum(text.ids) for text in wanted]


def ladder(session, **more):
    seen = Seen()
    return Ladder(session, probe=PROBE, pad=0, longest=16, watch=seen, **more), seen


def test_full_memory_halves_the_calls_and_is_remembered():
    session = FakeSession("cuda")
    made, seen = ladder(session)
    session.memory = 100 * 16  # less than the 256 rows that 200 texts would take
    wanted = texts(200)
    assert sums(made, wanted) == right(wanted)
    assert seen.told == ["memory"]
    assert made.device == "cuda"
    session.shapes.clear()
    assert sums(made, wanted) == right(wanted)
    assert seen.told == ["memory"]
    assert max(h * w for h, w in session.shapes) <= 100 * 16


def test_memory_that_is_short_from_the_start_is_found_in_the_warm_up():
    session = FakeSession("cuda", memory=70 * 16)
    made, seen = ladder(session)
    assert seen.told == ["memory"]
    assert made.token_budget == 128 * 16
    session.shapes.clear()
    assert sums(made, texts(300)) == right(texts(300))
    assert seen.told == ["memory"]
    assert {height for height, _ in session.shapes} <= {1, 16, 64}


def test_no_memory_even_for_one_text_ends_on_the_cpu():
    cpu = FakeSession("cpu")
    session = FakeSession("cuda", next={"cuda": FakeSession("cuda", broken=True), "cpu": cpu})
    made, seen = ladder(session)
    session.memory = 1
    assert sums(made, texts(20)) == right(texts(20))
    assert (made.device, seen.told[-1]) == ("cpu", "cpu")


def test_every_shape_is_run_before_the_first_text():
    session = FakeSession("cuda")
    ladder(session)
    assert {(h, 16) for h in (1, 16, 64, 256, 1024)} <= set(session.shapes)


def test_a_device_that_breaks_gets_one_new_session_then_the_cpu():
    cpu = FakeSession("cpu")
    second = FakeSession("cuda", next={"cpu": cpu, "cuda": FakeSession("cuda")})
    first = FakeSession("cuda", next={"cuda": second})
    now = [100.0]
    made, seen = ladder(first, clock=lambda: now[0])
    first.broken = True
    wanted = texts(40)
    assert sums(made, wanted) == right(wanted)
    assert (made.device, seen.told) == ("cuda", ["rebuilt"])
    second.broken = True
    assert sums(made, wanted) == right(wanted)
    assert (made.device, seen.told) == ("cpu", ["rebuilt", "cpu"])
    assert {height for height, _ in cpu.shapes} == {1}  # alone and unpadded, as ever on CPU


def test_a_device_that_breaks_once_in_a_while_is_made_anew_each_time():
    third = FakeSession("cuda")
    second = FakeSession("cuda", next={"cuda": third})
    first = FakeSession("cuda", next={"cuda": second})
    now = [100.0]
    made, seen = ladder(first, clock=lambda: now[0])
    first.broken = True
    made.rows(texts(10))
    now[0] += 7_200
    second.broken = True
    assert sums(made, texts(10)) == right(texts(10))
    assert (made.device, seen.told) == ("cuda", ["rebuilt", "rebuilt"])


def test_without_a_cpu_session_the_error_is_told():
    session = FakeSession("cuda")
    made, _ = ladder(session)
    session.broken = True
    with pytest.raises(Exception, match="no cpu here"):
        made.rows(texts(5))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_one_text_that_raises_is_set_aside_and_its_neighbours_are_answered(device):
    made, seen = ladder(FakeSession(device, fails_on={13, 40}))
    assert sums(made, texts(60)) == right(texts(60), {13, 40})
    assert made.set_aside == 2
    assert seen.told == ["aside", "aside"]


def test_a_cpu_session_that_breaks_is_an_error_of_the_operator():
    session = FakeSession("cpu")
    made, _ = ladder(session)
    session.broken = True
    with pytest.raises(InferenceError, match="failed on cpu"):
        made.rows(texts(5))


def test_outputs_are_taken_by_name_and_per_text_ones_are_single_values():
    made = Ladder(FakeSession(), probe=PROBE, pad=0, outputs=("echo", "sum"))
    ((echo, total),) = made.rows([Encoded([5, 6, 7], [1, 1, 1], [])])
    assert echo.tolist() == [5, 6, 7]
    assert total.shape == ()
    assert int(total) == 18


def test_an_output_that_is_not_there_is_named():
    with pytest.raises(ShapeError, match="gives no type"):
        Ladder(FakeSession(), probe=PROBE, pad=0, outputs=("type",))


class Crooked(FakeSession):
    def run(self, ids, mask, types):
        return [np.zeros(ids.shape[0] + 1), ids]


class Short(FakeSession):
    def run(self, ids, mask, types):
        return [ids.sum(axis=1), ids[:, 1:]]


@pytest.mark.parametrize("session", [Crooked, Short])
def test_arrays_of_another_shape_are_refused(session):
    with pytest.raises(ShapeError, match="fetch the bundle again"):
        Ladder(session(), probe=PROBE, pad=0)
