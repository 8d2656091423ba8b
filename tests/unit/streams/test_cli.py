"""The command line: what fails says in one sentence what to do, and leaves with its exit code."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from streams.__main__ import app

SECRET = "a secret that nobody may ever read"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CARTOGRAPH_KAFKA", "CARTOGRAPH_SECRET", "CARTOGRAPH_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, **env: str):
        return CliRunner().invoke(app, list(words), env=env)

    return call


def test_settings_are_shown_without_secrets(run):
    told = run("config", "show", "--json", CARTOGRAPH_SECRET=SECRET, CARTOGRAPH_PARTITIONS="8")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["partitions"] == 8
    assert SECRET not in told.output


def test_a_setting_is_shown_as_it_can_be_given(run):
    shown = run("config", "show").stdout.splitlines()
    values = {words[0]: words[1:] for line in shown if (words := line.split())}
    assert values["session_gap_ms"] == ["1800000"]
    assert values["log_json"] == ["yes"]
    assert values["tagging_bundle"] == []
    assert run("config", "show", CARTOGRAPH_LOG_JSON="yes").exit_code == 0


def test_a_row_that_is_piped_is_one_line(run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = run("config", "show", CARTOGRAPH_PURCHASE_ACTIONS=",".join(["checkout"] * 20))
    (line,) = [each for each in shown.stdout.splitlines() if "checkout" in each]
    assert line.count("checkout") == 20


def test_the_file_is_read_and_the_environment_outranks_it(run, tmp_path: Path):
    (tmp_path / "cartograph.toml").write_text('partitions = 4\nprefix = "shop"\n')
    told = json.loads(run("config", "show", "--json", CARTOGRAPH_PARTITIONS="16").stdout)
    assert (told["partitions"], told["prefix"]) == (16, "shop")


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (("config", "show"), {"CARTOGRAPH_PARTITION": "8"}, "CARTOGRAPH_PARTITIONS"),
        (("config", "show"), {"CARTOGRAPH_PARTITIONS": "many"}, "CARTOGRAPH_PARTITIONS"),
        (("config", "show"), {"CARTOGRAPH_CONFIG": "nowhere.toml"}, "nowhere.toml"),
        (("worker",), {}, "cartograph broker start"),
        (("worker",), {"CARTOGRAPH_KAFKA": "127.0.0.1:1"}, "CARTOGRAPH_SECRET"),
        pytest.param(
            ("topics", "apply"),
            {"CARTOGRAPH_KAFKA": "127.0.0.1:1"},
            "no Kafka answers",
            marks=pytest.mark.slow,
        ),
        (("state", "digest"), {}, "cartograph worker"),
        (("graph", "quality"), {}, "cartograph worker"),
        (("model", "reload", "tea"), {}, "tagging or cleaning"),
        (("model", "reload", "tagging", "nowhere"), {}, "no bundle in nowhere"),
        (("model", "reload", "tagging"), {}, "cartograph worker"),
        (("sample", "score", "nowhere"), {}, "cartograph sample make"),
        (("play", "tape", "x.jsonl"), {"CARTOGRAPH_KAFKA": "127.0.0.1:1"}, "no format"),
        (("play", "native", "x.jsonl", "--from", "noon"), {"CARTOGRAPH_KAFKA": "h:1"}, "--from"),
        (("source", "check", "t"), {"CARTOGRAPH_KAFKA": "127.0.0.1:1"}, "--format"),
        (("ontology", "import", "google", "."), {}, "shopify"),
    ],
)
def test_what_the_operator_must_change_is_said_in_a_sentence(run, words, env, says):
    told = run(*words, **env)
    assert told.exit_code == 2, told.output
    assert says in told.output
    assert "Traceback" not in told.output


def test_a_check_of_no_stores_is_not_taken_for_a_good_one(run):
    told = run("state", "check")
    assert told.exit_code == 0
    assert "no stores in .cartograph/graph" in told.stdout
    assert "no problems" not in told.stdout


@pytest.mark.parametrize("command", ["worker", "broker start"])
def test_a_data_folder_that_cannot_be_made_is_a_sentence(run, tmp_path: Path, command: str):
    (tmp_path / "file").touch()
    told = run(
        *command.split(),
        CARTOGRAPH_DATA_DIR=str(tmp_path / "file" / "data"),
        CARTOGRAPH_KAFKA="127.0.0.1:1",
        CARTOGRAPH_SECRET=SECRET,
    )
    assert told.exit_code == 2
    assert f"{tmp_path / 'file' / 'data'}" in told.stderr
    assert "cannot be used" in told.stderr


def test_a_broker_that_never_ran_is_no_error_but_not_well(run):
    told = run("broker", "status", "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["running"] is False


def test_a_sample_is_made_and_says_how_big_it_is(run, tmp_path: Path):
    sizes = ("--products", "120", "--shoppers", "20", "--days", "7")
    told = run("sample", "make", str(tmp_path / "s"), "--seed", "3", *sizes, "--json")
    assert told.exit_code == 0, told.output
    about = json.loads(told.stdout)
    assert about["products"] == 120
    assert (tmp_path / "s" / "events.jsonl").read_bytes().count(b"\n") == about["events"]
    other = run("sample", "make", str(tmp_path / "s"), "--seed", "4", *sizes)
    assert other.exit_code == 2


def test_an_imported_taxonomy_of_nothing_says_so(run, tmp_path: Path):
    assert run("ontology", "import", "shopify", str(tmp_path)).exit_code == 2


def test_every_command_of_the_readme_exists(run):
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    for line in readme.splitlines():
        if line.startswith("cartograph "):
            words = line.split("#")[0].split()[1:]
            commands = [word for word in words if word.isalpha()][:2]
            told = run(*commands[:1], "--help")
            assert told.exit_code == 0, line


def commands(group: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group, by its words."""
    yield words
    for name, each in getattr(group, "commands", {}).items():
        yield from commands(each, (*words, name))


def test_every_command_explains_itself(run):
    found = list(commands(typer.main.get_command(app)))
    assert len(found) > 40
    for words in found:
        told = run(*words, "--help")
        assert told.exit_code == 0, (words, told.exception)


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "streams.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module("streams", run_name="__main__")
"""


def test_ctrl_c_while_it_starts_is_no_traceback():
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, check=False, cwd=ROOT
    )
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr == b""


def test_a_background_job_goes_on_ignoring_ctrl_c():
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, "config", "show"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert ended.returncode == 0, ended.stderr
