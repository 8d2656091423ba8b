"""promtool and Prometheus, fetched by `deploy/prometheus/fetch` where they are not here yet."""

import functools
import os
import subprocess
from pathlib import Path

import pytest

from tests.monitoring.files import DEPLOY

FETCH = DEPLOY / "prometheus" / "fetch"
_FETCH_S = 120


@functools.cache
def _folder() -> tuple[str, str]:
    try:
        done = subprocess.run([FETCH], capture_output=True, text=True, timeout=_FETCH_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr.strip())


def tool(name: str) -> Path:
    """Path of `promtool` or `prometheus`; without them the test is skipped with the reason.

    With REQUIRE_PROMETHEUS set (`make monitoring-check`) it fails instead.
    """
    folder, reason = _folder()
    if not folder:
        if os.environ.get("REQUIRE_PROMETHEUS"):
            pytest.fail(f"REQUIRE_PROMETHEUS is set, and {reason}")
        pytest.skip(f"no Prometheus here: {reason}")
    return Path(folder) / name


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What promtool says."""
    return subprocess.run(
        [tool("promtool"), *words], capture_output=True, text=True, timeout=_FETCH_S
    )
