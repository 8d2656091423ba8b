"""What of the libraries' talk an operator gets to see."""

import json
import logging

import pytest
import structlog

from streams.errors import StateError
from streams.process import logs
from streams.process.log_repeats import EVERY_S, Repeats
from streams.telling import context_of, during, hint_of, words_of
from topology.errors import BadNodeError

COORDINATOR = "aiokafka.consumer.group_coordinator"
NOT_YET = "Group Coordinator Request failed: [Error 15] GroupCoordinatorNotAvailableError"
REBALANCING = "Heartbeat failed for group graph.route because it is rebalancing"


@pytest.fixture
def loggers():
    """The loggers as they were before."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    levels = {name: logging.getLogger(name).level for name in ("", "faust", "mode", "aiokafka")}
    yield
    root.handlers[:] = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]


def test_what_passes_by_itself_is_not_told_and_what_does_not_is(loggers, capsys):
    logs.set_up("route-0", level="info", as_json=True)
    coordinator = logging.getLogger(COORDINATOR)
    coordinator.error(NOT_YET)
    coordinator.warning(REBALANCING)
    coordinator.error("OffsetCommit failed for group graph.route due to group error")
    coordinator.warning("Heartbeat failed: local member_id was not recognized")
    logging.getLogger("streams.worker.app").error(NOT_YET)
    assert told(capsys) == [
        "OffsetCommit failed for group graph.route due to group error",
        "Heartbeat failed: local member_id was not recognized",
        NOT_YET,
    ]


def test_with_level_debug_everything_is_told(loggers, capsys):
    logs.set_up("route-0", level="debug", as_json=True)
    logging.getLogger(COORDINATOR).error(NOT_YET)
    assert told(capsys) == [NOT_YET]


def test_what_a_library_repeats_is_heard_once_in_a_while_with_a_count():
    now = [0.0]
    repeats = Repeats(("aiokafka",), clock=lambda: now[0])

    def heard(name: str, text: str, *args: object) -> str | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, text, args, None)
        return record.getMessage() if repeats.filter(record) else None

    assert heard("aiokafka.conn", "no %s", "a") == "no a"
    assert heard("aiokafka.conn", "no %s", "b") is None
    assert heard("aiokafka.conn", "gone") == "gone"
    assert heard("aiokafka", "no %s", "a") == "no a"
    assert [heard("streams.worker.supervisor", "no %s", "a") for _ in range(2)] == ["no a"] * 2
    now[0] = EVERY_S
    assert heard("aiokafka.conn", "no %s", "c") == "no c (and 1 times more since)"
    assert heard("aiokafka.conn", "no %s", "c") is None


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_names_the_worker_and_what_its_task_works_on(loggers, capsys):
    logs.set_up("graph-1", level="info", as_json=True)
    with logs.bound(topic="g.claims", partition=3, offset=7):
        logging.getLogger("aiokafka.consumer").warning("%d fetches failed", 2)
    structlog.get_logger("streams.x").info("assigned", partitions=[1, 2])
    inside, outside = lines(capsys)
    assert list(inside) == [
        *("time", "level", "worker", "stage", "partition", "topic", "offset", "logger", "message")
    ]
    assert inside["time"].endswith("Z")
    del inside["time"], outside["time"]
    assert inside == {
        "level": "warning",
        "worker": "graph-1",
        "stage": "graph",
        "partition": 3,
        "topic": "g.claims",
        "offset": 7,
        "logger": "aiokafka.consumer",
        "message": "2 fetches failed",
    }
    assert outside == {
        "level": "info",
        "worker": "graph-1",
        "stage": "graph",
        "logger": "streams.x",
        "message": "assigned",
        "partitions": [1, 2],
    }


def test_text_for_people_has_the_same_words(loggers, capsys):
    logs.set_up("graph-1", level="info", as_json=False)
    with logs.bound(partition=3):
        logging.getLogger("streams.worker.app").info("ready after %.1f s", 1.25)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO    graph-1 streams.worker.app: ready after 1.2 s partition=3")


SECRET = "anna@example.org wants red shoes"


def raised(error: Exception) -> Exception:
    try:
        try:
            {}[SECRET]
        except KeyError as cause:
            raise error from cause
    except (ValueError, KeyError, BadNodeError) as found:
        return found


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), BadNodeError(SECRET)])
def test_what_an_error_quotes_of_a_record_is_logged_at_debug_alone(loggers, capsys, error):
    found = raised(error)
    logs.set_up("graph-1", level="info", as_json=True)
    logging.getLogger("x").error("it broke", exc_info=found)
    logging.getLogger("x").error("%s", words_of(found))
    said = capsys.readouterr().err
    assert SECRET not in said
    assert type(error).__name__ in said
    assert "in raised" in said, "the place is told"
    logs.set_up("graph-1", level="debug", as_json=True)
    logging.getLogger("x").error("it broke", exc_info=found)
    assert SECRET in capsys.readouterr().err


def test_what_the_system_says_is_told():
    assert words_of(OSError(28, "No space left on device")).endswith("No space left on device")
    assert words_of(StateError("restore a checkpoint")) == "restore a checkpoint"


def test_an_error_keeps_what_was_worked_on_where_it_was_raised():
    error = StateError("x")
    during(error, partition=3, offset=7)
    during(error, partition=9, topic="g.claims")
    assert context_of(error) == {"partition": 3, "offset": 7, "topic": "g.claims"}
    assert context_of(StateError("y")) == {}
    assert hint_of(b"product:1") != hint_of(b"product:2")
