"""What of the libraries' talk an operator gets to see."""

import json
import logging

import pytest

from streams import logs
from streams.log_repeats import EVERY_S, Repeats

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
    logging.getLogger("streams.app").error(NOT_YET)
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
    assert [heard("streams.worker", "no %s", "a") for _ in range(2)] == ["no a"] * 2
    now[0] = EVERY_S
    assert heard("aiokafka.conn", "no %s", "c") == "no c (and 1 times more since)"
    assert heard("aiokafka.conn", "no %s", "c") is None
