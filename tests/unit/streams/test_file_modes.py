"""What `cartograph` and its workers write is for their owner alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.process import private

ROOT = Path(__file__).parents[3]


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o077 for path in folder.rglob("*")}


@pytest.mark.slow
def test_a_command_writes_nothing_that_others_read(tmp_path):
    env = {name: v for name, v in os.environ.items() if not name.startswith("CARTOGRAPH_")}
    data = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "streams", "token", "create", "ann"],
        env={**env, "CARTOGRAPH_DATA_DIR": str(data), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        umask=0o022,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*.json")) == ["api_tokens.json"]
    assert modes(tmp_path) == {0}


@pytest.mark.slow
def test_a_worker_writes_nothing_that_others_read(tmp_path):
    from streams.settings import Settings

    settings = Settings(kafka="127.0.0.1:9", data_dir=tmp_path / "data", secret="x" * 16)
    done = subprocess.run(
        [sys.executable, "-m", "streams.worker_main", "shoppers", "0"],
        input=settings.to_json(),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        umask=0o022,
        capture_output=True,
    )
    assert done.returncode == 3, done.stderr  # no Kafka answers
    assert {path.name for path in tmp_path.rglob("shoppers-0.*")} >= {"shoppers-0.json"}
    assert modes(tmp_path) == {0}


def test_a_private_file_takes_the_place_of_an_open_one_or_of_a_link(tmp_path):
    file, other = tmp_path / "a", tmp_path / "other"
    file.write_text("old")
    file.chmod(0o666)
    private.write(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    other.write_text("not ours")
    file.unlink()
    file.symlink_to(other)
    private.write(file, b"new")
    assert other.read_text() == "not ours"
