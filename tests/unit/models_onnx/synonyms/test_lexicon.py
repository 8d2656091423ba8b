"""WordNet's files to a lexicon of hashes, and what it answers."""

import random

import numpy as np
import pytest

from models_onnx.errors import BundleError
from models_onnx.synonyms import lexical, lexicon, wordnet
from models_onnx.synonyms.lexicon import ABOVE, AGAINST, KIN, SAME, UNKNOWN, UNRELATED, Lexicon
from models_onnx.synonyms.wording import stems_of
from tests.unit.models_onnx.synonyms import wordnet_files


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    return wordnet.read(wordnet_files.write(tmp_path_factory.mktemp("wordnet")))


@pytest.fixture(scope="module")
def known(net):
    return Lexicon(lexical.hashes_of(net))


def test_synsets_are_read_with_words_links_and_senses(net):
    assert net.synsets["n00000200"].words == ("pushchair", "stroller", "baby buggy")
    assert net.synsets["n00000200"].links == (("@", "n00000100"),)
    assert net.synsets["a00000300"].words == ("chunky", "stocky")
    assert ("&", "a00000300") in net.synsets["a00000100"].links
    assert net.senses["stroller"] == ("n00000200",)
    assert "n00000600" not in net.synsets


@pytest.mark.parametrize(
    "broken", ["", "00000100 06 n 02 vehicle 0", "00000100 06 n 01 car 0 002 @ 00000200 n 0000 | x"]
)
def test_files_that_are_not_wordnets_are_refused(tmp_path, broken):
    folder = wordnet_files.write(tmp_path)
    if broken:
        (folder / "data.noun").write_text(broken + "\n", encoding="utf-8")
    else:
        (folder / "index.adj").unlink()
    with pytest.raises(SystemExit, match="wordnet-base"):
        wordnet.read(folder)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("stroller", "pushchair", SAME),
        ("babybuggy", "stroller", SAME),
        ("thick", "thin", AGAINST),
        ("chunky", "thin", AGAINST),
        ("thick", "chunky", KIN),
        ("thick", "thickness", KIN),
        ("wagon", "vehicle", ABOVE),
        ("wagon", "carriage", UNRELATED),
        ("wagon", "sofa", UNKNOWN),
    ],
)
def test_relations_hold_in_either_order(known, a, b, expected):
    assert known.relation((a,), (b,)) == known.relation((b,), (a,)) == expected


def test_values_are_compared_as_a_whole_and_word_by_word(known):
    whole = (("baby", "buggy"), ("stroller",))
    assert known.compare(whole, whole) == (SAME, UNKNOWN, UNKNOWN)
    values = (("red", "stroller"), ("red", "pushchair"))
    assert known.compare(values, (("stroller",), ("pushchair",))) == (SAME, SAME, SAME)
    alone = (("thick", "wagon"), ("thin", "wagon", "stroller"))
    part, least, worst = known.compare(alone, alone)
    assert (part, least, worst) == (UNKNOWN, UNRELATED, AGAINST)
    assert known.compare(alone[::-1], alone[::-1]) == (part, least, worst)
    assert known.compare((("red",), ("red", "sofa")), ((), ("sofa",)))[1:] == (UNKNOWN, UNKNOWN)


def test_a_lexicon_survives_its_file(tmp_path, net, known):
    hashes = lexical.hashes_of(net)
    rng = random.Random(0)
    hashes["kin"] = np.array(sorted(rng.sample(range(1 << lexicon.BITS), 5000)), np.uint32)
    lexicon.write(tmp_path / "one.npz", hashes)
    lexicon.write(tmp_path / "two.npz", hashes)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as planes:
        assert lexicon._joined(planes["kin"]).tolist() == hashes["kin"].tolist()
    assert Lexicon.load(tmp_path / "one.npz").relation(("stroller",), ("pushchair",)) == SAME


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_broken_lexicon_is_refused(tmp_path, content):
    path = tmp_path / "lexicon.npz"
    if content is None:
        np.savez(path, words=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(BundleError, match="fetch the bundle again"):
        Lexicon.load(path)


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        ("stroller", "pushchair", True),
        ("baby buggy", "stroller", True),
        ("red baby buggy", "stroller red", True),
        ("thick wagon", "chunky wagon", True),
        ("thickness", "thick", True),
        ("thick", "thin", False),
        ("red stroller", "blue pushchair", False),
        ("stroller", "red pushchair", False),
        ("wagon", "vehicle", False),
        ("a light and small red stroller", "a light and small red pushchair", False),
    ],
)
def test_values_share_a_sense_where_one_word_may_stand_for_the_other(known, a, b, meet):
    one, other = (set(known.senses(stems_of(text))) for text in (a, b))
    assert bool(one & other) == meet


def test_senses_are_few_and_the_same_after_the_file(tmp_path, net, known):
    path = tmp_path / "lexicon.npz"
    lexicon.write(path, lexical.hashes_of(net))
    value = stems_of("thick baby buggy")
    assert Lexicon.load(path).senses(value) == known.senses(value) != ()
    many = {f"w{n}": [f"other{n}", f"w{n}"] for n in range(60)}
    crowded = Lexicon(
        lexicon.hashed(
            ["word", *(word for pair in many.values() for word in pair)],
            {},
            [("word", *pair) for pair in many.values()],
        )
    )
    assert len(crowded.senses(("word",))) == lexicon.MOST_SENSES
    assert known.senses(()) == ()


def test_a_lexicon_without_sets_has_no_senses_and_one_cut_off_is_refused(tmp_path, net):
    path, hashes = tmp_path / "lexicon.npz", lexical.hashes_of(net)
    lexicon.write(path, {n: own for n, own in hashes.items() if n not in ("sets", "sizes")})
    assert Lexicon.load(path).senses(("stroller",)) == ()
    for name, own in (("sets", hashes["sets"][:-1]), ("sets", hashes["sets"] + np.uint32(10**6))):
        lexicon.write(path, {**hashes, name: own})
        with pytest.raises(BundleError, match="fetch the bundle again"):
            Lexicon.load(path)


def test_pairs_to_train_on_are_synonyms_and_siblings(net, monkeypatch):
    monkeypatch.setattr(lexical, "TAUGHT_SHARE", 1.0)
    made = lexical.pairs(net, ["red"], seed=1)
    right = [p for p in made if p.same]
    words = [{p.a.removeprefix("red "), p.b.removeprefix("red ")} for p in right]
    assert {"chunky", "stocky"} in words
    assert {"vehicle", "conveyance"} in words
    wrong = [p for p in made if not p.same]
    assert {p.b.removeprefix("red ") for p in wrong} <= {"wagon", "carriage", "thin"}
    assert len(wrong) >= 2
    assert all(p.a.startswith("red ") == p.b.startswith("red ") for p in made)
    assert made == lexical.pairs(net, ["red"], seed=1)
