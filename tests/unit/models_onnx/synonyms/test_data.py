"""Training and validation pairs: split by group, hard pairs kept out, misses that are misses."""

import json
import random

import pytest

from models_onnx.synonyms import data, evaluate
from models_onnx.synonyms.data import Said
from models_onnx.synonyms.variants import OTHER, SAME
from models_onnx.synonyms.wording import MAX_CHARS, plain, stem, stems_of
from models_onnx.tagging.splits import normal

TEXTS = ["cheap", "light", "strong", "quiet", "soft", "warm", "bright", "thin", "clean", "fresh"]


def said():
    for number, word in enumerate(TEXTS * 6):
        yield Said(f"very {word} thing {number}", f"{word} {number % 5}", "", "Shoes", number)


def test_linked_texts_are_one_group_over_any_number_of_steps():
    rows = [Said("A", "b", "", "", 0), Said("c", "B!", "", "", 1), Said("x", "y", "", "", 2)]
    groups = data.group(rows)
    assert groups["a"] == groups["b"] == groups["c"] != groups["x"]


def test_misses_come_from_other_groups_and_stand_in_the_stated_number():
    rows = list(said())
    groups = data.group(rows)
    pairs = data.impakt_pairs(rows, groups, seed=1)
    right = [p for p in pairs if p.same]
    wrong = [p for p in pairs if not p.same]
    assert len(wrong) == data.NEGATIVES * len(right)
    assert all(groups.get(normal(p.b)) != groups[normal(p.a)] for p in wrong)
    assert pairs == data.impakt_pairs(rows, groups, seed=1)


def test_another_spelling_is_no_miss():
    assert not data._is_another("widely available", "widley available")
    assert data._is_another("red", "rad")


def test_a_shopify_pair_is_an_alias_a_spelling_or_a_sibling():
    values = {"Color": ["Red", "Blue", "Polyvinyl chloride (PVC)", "Green"], "Size": ["S", "M"]}
    pairs = data.shopify_pairs(values, seed=0)
    siblings = [p for p in pairs if p.kind == "sibling"]
    assert siblings
    assert not any(p.same for p in siblings)
    assert any(p.same and {p.a, p.b} == {"polyvinyl chloride", "pvc"} for p in pairs)


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("polyvinyl chloride (pvc)", ("polyvinyl chloride", "pvc")),
        ("chinese (simplified)", None),
        ("cube (6 sides)", None),
        ("red", None),
    ],
)
def test_brackets_are_aliases_only_where_they_abbreviate(name, alias):
    assert data.alias_of(name) == alias


def test_the_hand_made_pairs_are_many_whole_and_disjoint():
    made = evaluate.hand_made()
    keys = {name: [frozenset((p.a, p.b)) for p in pairs] for name, pairs in made.items()}
    assert sum(p.same for p in made["hard"]) >= 200
    assert sum(not p.same for p in made["hard"]) >= 200
    assert len(made["dev"]) >= 150
    assert all(len(set(k)) == len(k) for k in keys.values())
    assert not set(keys["hard"]) & set(keys["dev"])
    assert all(p.a and p.b and p.attribute for pairs in made.values() for p in pairs)


def test_rules_of_form_are_reproducible_and_change_the_text():
    values = ["stainless steel", "sugar free", "12 oz cup", "salt & vinegar", "colored pencils"]
    for rules in (SAME, OTHER):
        for name, rule in rules.items():
            for value in values:
                first = rule(random.Random(3), value)
                assert first == rule(random.Random(3), value), name
                assert first is None or plain(first) != plain(value), name


def test_every_rule_makes_something():
    values = ["salt & vinegar", "12 oz", "sugar free", "dog beds", "flavor box", "high quality"]
    values += ["fair trade organic", "stainless steel"]
    for name, rule in (SAME | OTHER).items():
        assert any(rule(random.Random(1), value) for value in values), name


@pytest.mark.parametrize(
    ("word", "singular"),
    [
        ("batteries", "battery"),
        ("glass", "glass"),
        ("boxes", "box"),
        ("shoes", "shoe"),
        ("gas", "gas"),
    ],
)
def test_plurals_are_folded_by_their_ending(word, singular):
    assert stem(word) == singular


def test_texts_are_folded_and_cut():
    assert plain("  ＲＥＤ\x00\u202e Wine ") == "red wine"
    assert len(plain("\ufdfa" * 10_000)) <= MAX_CHARS
    assert stems_of(plain("Men's T-Shirts")) == ("men", "t", "shirt")


def test_hand_made_pairs_are_read_with_their_labels(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\tattribute\tsame\nred\tcrimson\tcolor\t0\n", encoding="utf-8")
    (pair,) = data.read_pairs(path)
    assert (pair.a, pair.b, pair.attribute, pair.same) == ("red", "crimson", "color", False)


def test_impakt_rows_that_repeat_the_text_are_left_out(tmp_path):
    row = {
        "category": "A > Shoes",
        "attributes": [
            {"attribute": "easier to use", "summary": "easy to use"},
            {"attribute": "Red", "summary": "red"},
        ],
        "atomic_attributes": {
            "x": [{"attribute": "arch fit", "summary": "good", "attribute_type": "Fit, shape"}]
        },
    }
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = list(data.read_impakt(path))
    assert [(s.text, s.attribute, s.category) for s in found] == [
        ("easier to use", "", "Shoes"),
        ("arch fit", "fit", "Shoes"),
    ]
