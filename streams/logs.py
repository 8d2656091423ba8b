"""What workers print: one JSON object a line on stderr, or plain text for people."""

import json
import logging
import sys
import time

from streams.log_repeats import Repeats

_QUIET = {"faust": logging.CRITICAL, "mode": logging.CRITICAL, "aiokafka": logging.WARNING}
"""They say a lot that means nothing to an operator. What ends a worker is told by itself, once."""


_PASSES = ("Group Coordinator Request failed: [Error 15]", "Heartbeat failed for group")
"""What aiokafka says as an error or a warning and mends within a second: a group whose coordinator
is still being made (any new graph), a rebalance (any new worker)."""


def passes_by_itself(record: logging.LogRecord) -> bool:
    """Whether a record tells of something that an operator need not know."""
    if record.name != "aiokafka.consumer.group_coordinator":
        return False
    said = record.getMessage()
    return said.startswith(_PASSES[0]) or (said.startswith(_PASSES[1]) and "rebalancing" in said)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, worker, logger, message, error."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "worker": self._worker,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def set_up(worker: str, *, level: str, as_json: bool) -> None:
    """Send all logs of this process to stderr.

    Args:
        worker: who speaks, for example "shoppers-0".
        level: "debug", "info", "warning" or "error".
        as_json: JSON lines instead of text.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter(f"%(asctime)s %(levelname)-7s {worker} %(name)s: %(message)s")
    handler.setFormatter(JsonLines(worker) if as_json else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        handler.addFilter(lambda record: not passes_by_itself(record))
        handler.addFilter(Repeats(("aiokafka",), clock=time.monotonic))
        for name, least in _QUIET.items():
            logging.getLogger(name).setLevel(least)
