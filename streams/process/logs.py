"""What processes print: one JSON object a line on stderr, or plain text for people.

Everything goes through the standard library's logging, so Faust's and aiokafka's lines have the
same form; structlog makes the line. Stage and worker stand in every line, partition, topic and
offset where the task that logs works on any (`bound`). Nothing of any record is logged at INFO or
above (`telling`).
"""

import json
import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name

from streams.process.log_repeats import Repeats
from streams.telling import trace_of

bind, bound = bind_contextvars, bound_contextvars
"""Say what a task works on, from here on or within a `with`: `bound(partition=3, topic=...)`."""

Line = MutableMapping[str, Any]

_QUIET = {"faust": logging.CRITICAL, "mode": logging.CRITICAL, "aiokafka": logging.WARNING}
"""They say a lot that means nothing to an operator. What ends a worker is told by itself, once."""

_PASSES = ("Group Coordinator Request failed: [Error 15]", "Heartbeat failed for group")
"""What aiokafka says as an error or a warning and mends within a second: a group whose coordinator
is still being made (any new graph), a rebalance (any new worker)."""

_FIRST = ("time", "level", "worker", "stage", "partition", "topic", "offset", "logger", "message")
"""The order of a line; what else is bound follows, an error comes last."""


def passes_by_itself(record: logging.LogRecord) -> bool:
    """Whether a record tells of something that an operator need not know."""
    if record.name != "aiokafka.consumer.group_coordinator":
        return False
    said = record.getMessage()
    return said.startswith(_PASSES[0]) or (said.startswith(_PASSES[1]) and "rebalancing" in said)


def set_up(worker: str, *, level: str, as_json: bool) -> None:
    """Send all logs of this process to stderr.

    Args:
        worker: who speaks, for example "shoppers-0".
        level: "debug", "info", "warning" or "error".
        as_json: JSON lines instead of text.
    """
    handler = logging.StreamHandler(sys.stderr)
    before = [
        merge_contextvars,
        _of(worker),
        add_log_level,
        add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.EventRenamer("message"),
    ]
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                _error(all_words=level == "debug"),
                ProcessorFormatter.remove_processors_meta,
                _in_order,
                structlog.processors.JSONRenderer(json.dumps, ensure_ascii=False, default=str)
                if as_json
                else _text,
            ],
        )
    )
    structlog.configure(
        processors=[*before, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        handler.addFilter(lambda record: not passes_by_itself(record))
        handler.addFilter(Repeats(("aiokafka",), clock=time.monotonic))
        for name, least in _QUIET.items():
            logging.getLogger(name).setLevel(least)


def _of(worker: str) -> Any:
    stage = worker.rpartition("-")[0] or worker

    def add(_: object, __: str, line: Line) -> Line:
        line["worker"], line["stage"] = worker, stage
        return line

    return add


def _error(*, all_words: bool) -> Any:
    def add(_: object, __: str, line: Line) -> Line:
        told = line.pop("exc_info", None)
        if told is True:
            told = sys.exc_info()
        error = told[1] if isinstance(told, tuple) else told
        if isinstance(error, BaseException):
            line["error"] = trace_of(error, all_words=all_words)
        return line

    return add


def _in_order(_: object, __: str, line: Line) -> Mapping[str, Any]:
    error = line.pop("error", None)
    told = {name: line.pop(name) for name in _FIRST if name in line}
    return {**told, **line, **({} if error is None else {"error": error})}


def _text(_: object, __: str, line: Line) -> str:
    """2026-01-02T03:04:05.678901Z INFO graph-0 streams.worker.app: ready after 1 s partition=3."""
    error, shown = line.pop("error", None), {"time", "level", "worker", "stage", "logger"}
    more = "".join(f" {k}={v}" for k, v in line.items() if k not in {*shown, "message"})
    said = f"{line['time']} {line['level'].upper():<7} {line['worker']} {line['logger']}: "
    return f"{said}{line['message']}{more}" + ("" if error is None else f"\n{error}")
