"""A graph that runs, and commands about graphs beside it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from typer.testing import CliRunner

from streams.__main__ import app
from streams.cli.state import digested
from streams.control.generations import Generation, settings_of
from streams.settings import Settings
from tests.kafka.helpers import REPOSITORY


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a command about a graph."""
    told = msgspec.json.decode(settings.to_json())
    changed = {name: value for name, value in told.items() if value != _DEFAULT[name]}
    names = {f"CARTOGRAPH_{name.upper()}": _text(value) for name, value in changed.items()}
    clean = {name: value for name, value in os.environ.items() if "CARTOGRAPH" not in name}
    return {**clean, **names, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


_DEFAULT = msgspec.json.decode(Settings().to_json())


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={told}" for name, told in value.items())
    return ",".join(value) if isinstance(value, list) else str(value)


def begin(settings: Settings, *words: str) -> subprocess.Popen[str]:
    """A command that runs as a process of its own, which may be killed."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "streams", *words],
        env=environment(settings),
        cwd=settings.data_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(settings: Settings, *words: str, code: int = 0) -> str:
    """What a command prints, in this process; it must end with this code.

    Of a command that fails it is what it says on stderr.
    """
    names = environment(settings)
    with mock.patch.dict(os.environ, names, clear=True):
        ended = CliRunner().invoke(app, words)
    assert ended.exit_code == code, f"{' '.join(words)}: {ended.exit_code}\n{ended.output}"
    return ended.stdout if code == 0 else ended.stderr


def told(settings: Settings, *words: str) -> Any:
    """What a command answers as JSON."""
    return json.loads(call(settings, *words, "--json"))


def beside(settings: Settings, name: str, **changes: object) -> Settings:
    """Settings of a generation, to look at its stores."""
    return settings_of(settings, Generation(name=name, changes=changes))


def digest_of(settings: Settings, name: str) -> str:
    """The digest of a generation."""
    return digested(beside(settings, name)).digest


def folder_of(settings: Settings, name: str) -> Path:
    """Where a generation keeps its stores."""
    return settings.data_dir / f"{settings.prefix}.{name}"
