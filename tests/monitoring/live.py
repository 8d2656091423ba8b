"""A real Prometheus that reads real workers, and what it answers to a query."""

import contextlib
import json
import math
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from streams.process import machine
from tests.monitoring import files
from tests.monitoring.tools import tool

SCRAPE = "1s"
_START_S, _ANSWER_S = 30.0, 20.0


class Prometheus:
    """A server with our rules, that reads every second.

    Args:
        folder: for its configuration, data and log.
        targets: job -> (address, labels besides).
    """

    def __init__(
        self, folder: Path, targets: Mapping[str, Iterable[tuple[str, Mapping[str, str]]]]
    ) -> None:
        self._folder = folder
        self._port = _free_port()
        folder.mkdir(parents=True, exist_ok=True)
        rules = sorted(str(file.resolve()) for file in files.RULES.glob("*.yml"))
        told = {
            "global": {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE},
            "rule_files": rules,
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {"targets": [address], "labels": dict(labels)} for address, labels in each
                    ],
                }
                for job, each in targets.items()
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(told))

    @contextlib.contextmanager
    def running(self) -> Iterator["Prometheus"]:
        """Until the block ends."""
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    tool("prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=log,
                stderr=log,
                preexec_fn=machine.die_with_parent(),
            )
        try:
            self._wait(process)
            yield self
        finally:
            process.terminate()
            process.wait(20)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self._url("/-/ready"), timeout=2).close()
                return
            said = (self._folder / "log").read_text(errors="replace")
            assert process.poll() is None, f"Prometheus ended: {said[-2000:]}"
            assert time.monotonic() < deadline, f"Prometheus is not ready: {said[-2000:]}"
            time.sleep(0.1)

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        url = self._url(f"/api/v1/{path}?{urlencode(parameters)}")
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_S) as page:
                return json.load(page)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def values(self, expr: str) -> list[float]:
        """What a query answers now; figures that are none are left out."""
        found = self.ask("query", query=expr)
        if found["resultType"] == "scalar":
            return [float(found["result"][1])]
        told = [float(each["value"][1]) for each in found["result"]]
        return [value for value in told if not math.isnan(value)]

    def rules(self) -> list[dict[str, Any]]:
        """All rules, as it evaluated them last."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
