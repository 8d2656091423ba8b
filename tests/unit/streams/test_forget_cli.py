"""`cartograph forget`: what it refuses before it asks for anything, and what a receipt says."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from streams.__main__ import app
from streams.cli.forget import RECEIPTS, Receipt, _found_nothing, _keep, _read, _receipt
from streams.erasures import Done, Erasure
from streams.errors import StateError
from streams.privacy import RECEIPT, SHOPPER, pseudonym, shopper_id

SECRET = "a secret that nobody may ever read"
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("CARTOGRAPH_KAFKA", "CARTOGRAPH_SECRET", "CARTOGRAPH_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, given: str | None = None, **env: str):
        told = {"CARTOGRAPH_KAFKA": NOWHERE, "CARTOGRAPH_SECRET": SECRET, **env}
        return CliRunner().invoke(app, ["forget", *words], env=told, input=given)

    return call


@pytest.mark.parametrize(
    ("words", "given", "env", "says"),
    [
        (["ann"], None, {"CARTOGRAPH_SECRET": ""}, "CARTOGRAPH_SECRET is not set"),
        (["null"], None, {}, "stand for nobody"),
        (["-"], "\n  \n", {}, "no shopper"),
        (["-"], "ann\nAnonymous\n", {}, "stand for nobody"),
        (["ann", "--until", "soon"], None, {}, "is no time"),
        (["ann", "--until", "2999-01-01"], None, {}, "in the future"),
        (["ann"], None, {"CARTOGRAPH_KAFKA": ""}, "no Kafka"),
        pytest.param(["ann"], None, {}, "no Kafka answers at 127.0.0.1:1", marks=pytest.mark.slow),
    ],
)
def test_it_says_in_one_sentence_what_to_change(run, words, given, env, says):
    told = run(*words, given=given, **env)
    assert told.exit_code == 2
    assert says in told.output
    assert SECRET not in told.output
    assert "ann" not in told.output.replace("cannot", "")
    assert not (Path(".cartograph") / RECEIPTS).exists()


def test_ids_are_taken_as_route_takes_them():
    assert shopper_id(" ann@example.org \n") == "ann@example.org"
    assert [shopper_id(each) for each in ("None", "null ", "", " UNDEFINED", "nan")] == [""] * 5


def test_a_receipt_is_matched_by_who_holds_the_secret_and_links_to_nothing_that_is_kept():
    key = SECRET.encode()
    hashed = pseudonym(key, "ann", RECEIPT)
    assert hashed == pseudonym(key, "ann", RECEIPT)
    assert hashed not in (pseudonym(key, "ann", SHOPPER), pseudonym(key, "bob", RECEIPT))
    assert hashed != pseudonym(b"another secret of 16", "ann", RECEIPT)


def test_receipts_are_added_to_the_file_and_come_back(tmp_path: Path):
    order = Erasure("p" * 22, 1_700_000_000_000, "t1", 5)
    obeyed = _receipt("h", order, {"": Done("t1", 5, 3, 1, 2, 4)}, ("",))
    waiting = _receipt("h", order, {}, ("",))
    assert (obeyed.obeyed, obeyed.partition, obeyed.totals, obeyed.offset) == (True, 3, 4, 5)
    assert (waiting.obeyed, waiting.partition) == (False, -1)
    assert obeyed.until == "2023-11-14T22:13:20+00:00"
    file = tmp_path / "new" / RECEIPTS
    assert _read(file) == []
    _keep(file, [obeyed])
    _keep(file, [waiting])
    assert _read(file) == [obeyed, waiting]
    assert b"p" * 22 not in file.read_bytes()


def test_it_is_obeyed_once_all_graphs_that_keep_shoppers_have_answered():
    order = Erasure("p" * 22, 1_700_000_000_000, "t1", 5)
    shadow, first = Done("t1", 5, 3, 1, 2, 4, "g1"), Done("t1", 5, 3, 2, 2, 6)
    early = _receipt("h", order, {"g1": shadow}, ("", "g1"))
    assert (early.obeyed, early.generations) == (False, ("g1",)), "the first one has not"
    both = _receipt("h", order, {"g1": shadow, "": first}, ("", "g1"))
    assert (both.obeyed, both.sessions, both.totals) == (True, 3, 10)
    assert set(both.generations) == {"g1", "live"}
    assert _receipt("h", order, {"g1": shadow}, ("g1",)).obeyed, "the first one's are dropped"


def test_a_receipt_that_cannot_be_written_or_read_is_told_with_what_to_do(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"junk\n")
    with pytest.raises(StateError, match="the erasure stands"):
        _keep(tmp_path / "file" / RECEIPTS, [Receipt("h", "t", 1, "", "")])
    with pytest.raises(StateError, match="--receipts"):
        _read(tmp_path / "file")
    assert msgspec.json.encode(Receipt("h", "t", 1, "", "")).startswith(b'{"shopper":"h"')


def test_an_erasure_that_found_nothing_is_told_from_one_that_waits_or_took_something_back():
    order = Erasure("p" * 22, 1_700_000_000_000, "t1", 5)
    assert _found_nothing(_receipt("h", order, {"": Done("t1", 5, 3, 0, 0, 0)}, ("",)))
    assert not _found_nothing(_receipt("h", order, {"": Done("t1", 5, 3, 1, 0, 0)}, ("",)))
    assert not _found_nothing(_receipt("h", order, {}, ("",)))
