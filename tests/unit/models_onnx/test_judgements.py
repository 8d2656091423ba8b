"""Judged claims: the mapping, what stands against them, and a split that nothing crosses."""

import json
import random

import pytest

from models_onnx.cleaning import judgements
from models_onnx.cleaning.judgements import Judgement, against, grouped
from models_onnx.sets.intentionqa import asserted
from models_onnx.spans import Claim
from models_onnx.tagging import lexicon
from models_onnx.tagging.splits import normal


@pytest.mark.parametrize(
    ("reason", "relation", "tail"),
    [
        ("because they both are a type of surge protector.", "is a", "surge protector"),
        ("because they are both used for Halloween costumes.", "used for", "Halloween costumes"),
        ('because they both have a property of being "warm".', "property of", "warm"),
        ("because they could both be worn with any outfit.", "can", "be worn with any outfit"),
        ("because the person wants to buy a ring.", "wants to", "buy a ring"),
        ("as a result, the person will be happy.", "effect", "will be happy"),
        ("because he is fond of them.", "because", "he is fond of them"),
    ],
)
def test_assertions_are_read_as_relation_and_tail(reason, relation, tail):
    said = f"PersonX bought a product of Item A and a product of Item B {reason}"
    assert asserted(said) == (relation, tail)


def rows(count=40):
    made = [
        Judgement("impakt", f"head {i}", "implies", f"tail {i % 25}", ("Home", f"Leaf {i % 3}"))
        for i in range(count)
    ]
    return grouped(made, lambda j: (j.head, j.tail))


def test_what_shares_a_text_is_of_one_group_however_it_is_written():
    said = [("Red wool", "warm"), ("red-wool!", "soft"), ("cork", "Soft"), ("tin", "light")]
    made = grouped(
        [Judgement("impakt", h, "implies", t, ("A",)) for h, t in said], lambda j: (j.head, j.tail)
    )
    assert made[0].group == made[1].group == made[2].group != made[3].group


def test_groups_do_not_depend_on_the_order_of_the_rows():
    made = rows()
    shuffled = list(made)
    random.Random(3).shuffle(shuffled)
    again = grouped(shuffled, lambda j: (j.head, j.tail))
    assert {(j.head, j.group) for j in again} == {(j.head, j.group) for j in made}


def test_no_text_is_on_both_sides_of_the_split():
    made = rows(400)
    sides = [
        {normal(t) for j in made if j.for_validation == side for t in (j.head, j.tail)}
        for side in (True, False)
    ]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_wrong_tails_are_others_and_never_what_somebody_said_of_the_head():
    made = rows()
    right = {(normal(j.head), normal(j.tail)) for j in made}
    found = against(made, random.Random(1), count=4)
    wrong = [j for j, kind in found if kind]
    assert all((normal(j.head), normal(j.tail)) not in right for j in wrong)
    assert [kind for _, kind in found[:6]] == ["", *["other tail"] * 4, "reversed"]
    assert found == against(made, random.Random(1), count=4)


def test_wrong_tails_are_of_the_leaf_where_it_has_enough():
    made = rows()
    leaf = {normal(j.tail) for j in made if j.category == made[0].category}
    tails = [j.tail for j, kind in against(made, random.Random(1))[:5] if kind == "other tail"]
    assert {normal(t) for t in tails} <= leaf


def test_the_files_are_read_as_the_published_mapping_says(tmp_path):
    (tmp_path / "impakt").mkdir()
    (tmp_path / "intentionqa").mkdir()
    said = {"antecedent": "cork", "consequent": "light"}
    row = {"category": "Hardware > Floors", "implications": [said, said]}
    (tmp_path / "impakt" / "labels.jsonl").write_text(json.dumps(row) + "\n")
    reason = "PersonX bought a product of Item A and a product of Item B because they both are "
    row = {
        "item_a_name": "Red &amp; gold ring",
        "item_b_name": "Bracelet",
        "assertion": reason + "a type of jewelry.",
    }
    (tmp_path / "intentionqa" / "by_relation.jsonl").write_text(json.dumps(row) + "\n")
    found = judgements.read(tmp_path, lexicon.load())
    assert [j.claim for j in found["impakt"]] == [Claim("", "cork", "implies", "light")]
    (only,) = found["intentionqa"]
    assert only.claim == Claim("", "Red & gold ring + Bracelet", "is a", "jewelry")
    assert only.category == ("worn",)


def test_a_set_that_is_not_there_is_left_out(tmp_path):
    assert judgements.read(tmp_path, lexicon.load()) == {}
