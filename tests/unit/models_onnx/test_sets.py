"""Readers of data sets: what a line means, and what is said of a line that is none."""

import gzip
import json

import pytest

from models_onnx.errors import DataError
from models_onnx.sets import (
    ditto,
    icecat,
    impakt,
    intentionqa,
    lines,
    myntra,
    oa_mine,
    pricerunner,
    query_ner,
    wdc_pave,
)
from models_onnx.sets.places import same, stands_in
from models_onnx.sets.records import Gold, Marked
from models_onnx.spans import Claim


@pytest.fixture
def file(tmp_path):
    def write(*rows, packed=False, name="rows"):
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        return path

    return write


def test_gzip_and_plain_are_told_by_content_not_by_name(file):
    row = {"tokens": ["mugs"], "labels": ["B-core_product_type"]}
    plain = list(query_ner.read(file(row, name="a.gz")))
    assert plain == list(query_ner.read(file(row, packed=True, name="a.jsonl")))
    assert len(plain) == 1


def test_blank_lines_and_a_byte_order_mark_are_passed_over(file):
    path = file("\ufeff" + json.dumps({"a": "x"}), "", "  ", {"a": "y"})
    assert [(row.line, row.fields["a"]) for row in lines.rows(path)] == [(1, "x"), (4, "y")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(b'{"a": "x"}\n' * 9000)[:-20], "cannot be read after line"),
        (b"\x1f\x8bno gzip", "cannot be read after line 0"),
        (b'{"a": "\xff"}\n', "cannot be read after line 0"),
        (b'{"a": "x"}\n[1]\n', "line 2: no JSON object"),
        (b'{"a": "x"\n', "line 1: no JSON object"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(tmp_path, content, says):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as told:
        list(lines.rows(path))
    assert "bad.jsonl" in str(told.value)


def test_a_missing_file_is_said_in_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read"):
        list(query_ner.read(tmp_path / "none.jsonl"))


def test_query_ner_marks_pieces_of_the_tokens_joined_by_blanks(file):
    row = {
        "example_id": 3,
        "tokens": ["tall", "rubber", "boots", "for", "girls", "cheap"],
        "labels": [
            "I-shape", "B-material", "B-core_product_type", "B-department", "I-department", "O",
        ],
    }  # fmt: skip
    (gold,) = query_ner.read(file(row))
    assert gold.text == "tall rubber boots for girls cheap"
    assert {gold.text[m.start : m.end]: m.label for m in gold.marked} == {
        "tall": "shape",
        "rubber": "material",
        "boots": "core_product_type",
        "for girls": "department",
    }


def test_a_tag_inside_of_another_kind_opens_a_span(file):
    row = {"tokens": ["a", "b", "c"], "labels": ["B-color", "I-material", "I-material"]}
    (gold,) = query_ner.read(file(row))
    assert gold.marked == (Marked(0, 1, "color"), Marked(2, 5, "material"))


def test_oa_mine_has_no_value_where_it_says_so(file):
    row = {
        "input": "Acme Clogs, Red",
        "category": "Shoes",
        "target_scores": {"Brand": {"Acme": 1}, "Color": {"Red": 1}, "Size": {"n/a": 1}},
    }
    (gold,) = oa_mine.read(file(row))
    assert gold == Gold(
        text="Acme Clogs, Red",
        kind="title",
        type="Shoes",
        values=(("Brand", "Acme"), ("Color", "Red")),
    )


def test_wdc_pave_counts_values_of_the_title_and_asks_all_its_slots(file):
    row = {
        "input_title": "Acme ring, gold",
        "input_description": "with diamonds",
        "category": "Jewelry",
        "target_scores": {
            "Brand": {"Acme": {"pid": [0], "score": 1}},
            "Stones Type": {"diamonds": {"pid": [1], "score": 1}},
            "Gender": {"n/a": 1},
        },
    }
    (gold,) = wdc_pave.read(file(row))
    assert gold.values == (("Brand", "Acme"),)
    assert gold.asked == {"Brand", "Stones Type", "Gender"}


ICECAT = {
    "title": "HP 12X toner Black, Cyan 2 pc(s)",
    "supplier": "HP",
    "attr_t_product_colour": "Black",
    "attr_t_printing_colours": "Black,Cyan",
    "attr_t_material": "Plastic",
    "attr_t_product_type": "1",
    "attr_n_weight": 3.0,
}


def test_icecat_counts_what_stands_in_the_title(file):
    (gold,) = icecat.read(file(ICECAT))
    assert gold.values == (("brand", "HP"), ("colour", "Black"))


def test_icecat_as_a_catalog_has_all_values_and_parts_colours(file):
    (gold,) = icecat.read_catalog(file(ICECAT))
    assert set(gold.values) == {
        ("brand", "HP"), ("colour", "Black"), ("colour", "Cyan"), ("material", "Plastic"),
    }  # fmt: skip


def test_myntra_finds_an_article_type_in_its_other_number(file):
    row = {
        "title": "Acme Men Navy Jacket",
        "articleType": "Jackets",
        "baseColour": "Navy Blue",
        "gender": "Men",
        "usage": "NA",
        "season": "",
    }
    (gold,) = myntra.read(file(row))
    assert gold.type == "Jackets"
    assert gold.values == (("articleType", "Jacket"), ("gender", "Men"))
    (record,) = myntra.read_catalog(file(row))
    assert ("baseColour", "Navy Blue") in record.values
    assert not {"usage", "season"} & {label for label, _ in record.values}


def offer(number, title, cluster, category="Mugs"):
    return {
        "product_id": str(number),
        "product_title": title,
        "cluster_id": cluster,
        "cluster_label": f"mug {cluster}",
        "category_label": category,
    }


def test_pricerunner_pairs_titles_within_and_across_clusters(file):
    rows = [offer(n, f"mug {c} offer {n}", c) for n, c in enumerate("aabbccd")]
    path = file(*rows, offer(9, "a lamp", "z", "Lamps"))
    pairs = list(pricerunner.read_pairs(path))
    assert pairs == list(pricerunner.read_pairs(path))
    cluster = {row["product_title"]: row["cluster_id"] for row in rows}
    assert all((cluster[p.a] == cluster[p.b]) == p.same for p in pairs)
    assert sum(p.same for p in pairs) == 3
    assert sum(not p.same for p in pairs) == 3 * pricerunner.NEGATIVES


def test_ditto_compares_titles_with_maker_and_number(file):
    line = (
        "COL title VAL acme tv 40 COL brand VAL acme COL modelno VAL x12 COL price VAL 9.9\t"
        "COL name VAL another tv COL description VAL long\t0"
    )
    (pair,) = ditto.read_pairs(file(line))
    assert (pair.a, pair.b, pair.same) == ("acme tv 40 x12", "another tv", False)


def impakt_row(phrase, summary, kind="color", category="Home > Mugs"):
    return {
        "category": category,
        "implications": [{"antecedent": phrase, "consequent": "goes with all"}],
        "atomic_attributes": {
            phrase: [{"attribute": phrase, "summary": summary, "attribute_type": kind}]
        },
    }


def test_impakt_implications_are_claims_once(file):
    path = file(impakt_row("deep red", "red"), impakt_row("Deep  red", "red"))
    (only,) = impakt.read_claims(path)
    assert only.claim == Claim("", "deep red", "implies", "goes with all")
    assert only.category == ("Home", "Mugs")


def test_impakt_pairs_have_wrong_ones_that_nobody_called_right(file):
    rows = [impakt_row(f"quite {c}", c) for c in ("red", "blue", "green", "pink", "grey", "tan")]
    rows += [impakt_row("quite red", "scarlet"), impakt_row("n/a", "n/a"), impakt_row("x", "x")]
    path = file(*rows)
    pairs = list(impakt.read_pairs(path))
    assert pairs == list(impakt.read_pairs(path))
    assert sum(p.same for p in pairs) == 7
    assert sum(not p.same for p in pairs) == 7 * impakt.NEGATIVES
    wrong = {(p.a, p.b) for p in pairs if not p.same}
    assert not wrong & {(p.a, p.b) for p in pairs if p.same}


@pytest.mark.parametrize(
    ("reason", "relation", "tail"),
    [
        ("because they both are a type of ring.", "is a", "ring"),
        ("because they both are used for hiking.", "used for", "hiking"),
        ('because they both are capable of "playing music".', "capable of", "playing music"),
        ("because the person likes tea.", "because", "the person likes tea"),
    ],
)
def test_intentionqa_reads_the_relation_from_its_words(file, reason, relation, tail):
    row = {
        "item_a_name": "Tea &amp; mug",
        "item_b_name": "Pot",
        "relation": "x",
        "assertion": f"PersonX bought a product of Item A and a product of Item B {reason}",
    }
    (only,) = intentionqa.read_claims(file(row))
    assert only.claim == Claim("", "Tea & mug + Pot", relation, tail)


@pytest.mark.parametrize(
    ("read", "row", "says"),
    [
        (query_ner.read, {"tokens": ["a"], "labels": []}, "1 tokens have 0 labels"),
        (query_ner.read, {"tokens": ["a"], "labels": ["B-colour"]}, "no tag of QueryNER"),
        (query_ner.read, {"tokens": [1], "labels": ["O"]}, "list of texts in 'tokens'"),
        (oa_mine.read, {"input": "a", "category": "b"}, "object in 'target_scores'"),
        (oa_mine.read, {"input": 1, "category": "b", "target_scores": {}}, "text in 'input'"),
        (
            wdc_pave.read,
            {"input_title": "a", "category": "b", "target_scores": {"c": {"d": 1}}},
            "list in `pid`",
        ),
        (icecat.read, {"supplier": "a"}, "text in 'title'"),
        (myntra.read, {"title": "a"}, "text in 'articleType'"),
        (pricerunner.read_pairs, {"product_title": "a"}, "text in 'category_label'"),
        (ditto.read_pairs, "COL title VAL a\tCOL title VAL b\t2", "0 or 1"),
        (ditto.read_pairs, "COL price VAL 3\tCOL title VAL b\t1", "COL title VAL"),
        (impakt.read_claims, {"category": "a", "implications": [3]}, "list of objects"),
        (impakt.read_pairs, {"category": "a"}, "object in 'atomic_attributes'"),
        (
            intentionqa.read_claims,
            {"item_a_name": "a", "item_b_name": "b", "assertion": "because"},
            "no reason",
        ),
    ],
)
def test_a_line_of_another_format_is_named(file, read, row, says):
    with pytest.raises(DataError, match=says) as told:
        list(read(file(row)))
    assert "line 1" in str(told.value)


def test_values_stand_in_a_title_as_whole_words_only():
    assert stands_in("Navy  Blue", "Acme NAVY BLUE shirt")
    assert stands_in("12 oz.", "tea 12 oz. tin")
    assert not stands_in("red", "a bored cat")
    assert not stands_in(" ", "a title")
    assert same(" Navy\tBlue ") == same("navy blue")
