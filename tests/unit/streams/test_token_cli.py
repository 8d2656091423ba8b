"""`cartograph token`: a token is shown once, listed without its secret, and taken back."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli.token import token
from streams.serve import tokens


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTOGRAPH_API_TOKENS_FILE", str(tmp_path / "t.json"))
    return tmp_path / "t.json"


def run(*words: str, code: int = 0):
    found = CliRunner().invoke(token, words)
    assert found.exit_code == code, found.output
    return found


def test_a_token_is_made_shown_once_listed_and_revoked(file):
    made = run("create", "ann", "--role", "reviewer", "--days", "30").stdout.strip()
    found = tokens.Checker(file).identify(made, 0)
    assert found is not None
    assert found.role == "reviewer"
    (row,) = json.loads(run("list", "--json").stdout)
    assert (row["name"], row["role"]) == ("ann", "reviewer")
    assert row["expires"] > row["created"]
    assert made.rpartition("_")[2] not in run("list").output
    run("revoke", "ann")
    assert json.loads(run("list", "--json").stdout) == []
    assert "no token ann" in run("revoke", "ann", code=2).output


def test_a_token_goes_to_a_file_that_its_owner_alone_reads(file, tmp_path):
    out = tmp_path / "prometheus.token"
    out.write_text("old")
    assert run("create", "prometheus", "--out", str(out)).stdout == ""
    assert out.stat().st_mode & 0o777 == 0o600
    assert tokens.Checker(file).identify(out.read_text(), 0)
    first = out.read_text()
    assert "revoke it first" in run("create", "prometheus", code=2).output
    run("create", "prometheus", "--out", str(out), "--group", "--replace")
    assert out.stat().st_mode & 0o777 == 0o640
    assert tokens.Checker(file).identify(first, 0) is None
    assert tokens.Checker(file).identify(out.read_text(), 0)


def test_a_token_that_cannot_be_handed_over_is_not_kept(file, tmp_path):
    run("create", "ann", "--out", str(tmp_path / "no" / "where"), code=2)
    assert tokens.read(file).tokens == ()
