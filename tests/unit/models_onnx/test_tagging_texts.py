"""Rows for training: recombined texts, product types, the split by row."""

import gzip
import json
import random

import pytest

from models_onnx.errors import DataError
from models_onnx.tagging import parts, splits, unlabelled
from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.rebrand import rebranded
from models_onnx.tagging.recombine import Recombiner
from models_onnx.tagging.types import NO_TYPES, TypeTable

NAMES = {"shoes": ("shoes", "footwear"), "tea": ("tea",), "tops": ("tops", "tank")}
TABLE = TypeTable(NAMES, {"shoes": "shoes", "footwear": "shoes", "tea": "tea", "tops": "tops"}.get)


def row(text: str, *pieces: tuple[str, str], kind="query", type="", doubt=0.0) -> Labelled:
    found = sorted(
        Piece(text.index(part), text.index(part) + len(part), label) for part, label in pieces
    )
    return Labelled(text=text, kind=kind, type=type, pieces=tuple(found), source="x", doubt=doubt)


QUERIES = [
    row("red running shoes", ("red", "color"), ("running shoes", "product_type")),
    row("tea for nurses", ("tea", "product_type"), ("nurses", "audience")),
    row("blue mug", ("blue", "color"), ("mug", "product_type")),
]
TITLES = [
    row("Acme Tea, 20 Bags", ("Acme", "brand"), ("20 Bags", "quantity"), kind="title", type="tea"),
    row("Zed Tea, 5 lb", ("Zed", "brand"), ("5 lb", "size"), kind="title", type="tea"),
    row("Bold Shoe", ("Bold", "brand"), kind="title", type="shoes"),
]


def test_recombined_texts_are_made_of_the_rows_words_and_bear_no_labels():
    words = {word for query in QUERIES for word in query.text.split()}
    made = list(Recombiner(QUERIES, random.Random(1)).make(300))
    assert all(set(text.text.split()) <= words for text in made)
    assert not any(text.pieces for text in made)
    assert len({text.text for text in made}) > 20
    again = Recombiner(QUERIES, random.Random(1)).make(300)
    assert [text.text for text in again] == [text.text for text in made]


def test_a_title_takes_values_of_its_own_product_type_alone():
    made = [text.text for text in Recombiner(TITLES, random.Random(2)).make(300)]
    assert any(text.startswith("Zed Tea, 20 Bags") for text in made)
    assert not any("Bold" in text and "Tea" in text for text in made)


def test_brands_of_other_sets_come_into_titles_written_as_brands_are_there():
    made = [t.text for t in Recombiner(TITLES, random.Random(2), ["sun bum"]).make(300)]
    assert any(text.startswith("Sun Bum Tea") for text in made)
    assert any(text.startswith("Zed Tea") for text in made)
    assert not any("sun bum" in text for text in made)


@pytest.mark.parametrize(
    ("pieces", "doubt", "node"),
    [
        ([("tea", "product_type")], 0.0, "tea"),
        ([], 0.0, ""),
        ([], 0.5, None),
        ([("shoes", "product_type"), ("tea", "product_type")], 0.0, None),
        ([("set", "product_type")], 0.0, None),
        ([("footwear", "product_type"), ("shoes", "product_type")], 0.0, "shoes"),
    ],
)
def test_the_type_of_a_text_is_the_one_that_its_labels_name(pieces, doubt, node):
    assert TABLE.of_labels(row("tea shoes set footwear", *pieces, doubt=doubt)) == node


def test_types_start_with_none_and_names_that_mean_another_type_teach_nothing():
    assert TABLE.slugs() == ("", "shoes", "tea", "tops")
    taught = {(one.text, one.node) for one in TABLE.rows()}
    assert ("footwear", "shoes") in taught
    assert not any(text == "tank" for text, _ in taught)
    assert NO_TYPES.slugs() == ("",)


def test_a_sets_own_names_of_types_follow_its_published_mapping():
    table = TABLE._replace(names={**NAMES, "breakfast": ("cereal",), "lip-plumpers": ("plumper",)})
    assert table.of_set("oa-mine", "breakfast cereal") == "breakfast"
    assert table.of_set("myntra-styles", "Lip Plumper") == "lip-plumpers"
    assert TABLE.of_set("oa-mine", "breakfast cereal") is None
    assert TABLE.of_set("oa-mine", "footwear") == "shoes"


def test_a_file_is_split_by_title_and_by_brand_never_by_row(tmp_path):
    titles = [f"Thing {number}" for number in range(400)]
    brands = [f"brand {number % 20}" for number in range(400)]
    path = tmp_path / "products.jsonl"
    lines = [json.dumps({"title": t, "supplier": b}) for t, b in zip(titles, brands, strict=True)]
    path.write_text("\n".join([*lines, *lines]))
    found = list(parts.split("icecat", path))
    assert [json.loads(line)["title"] for _, line in found] == titles * 2
    assert [measured for measured, _ in found[:400]] == [measured for measured, _ in found[400:]]
    new = {b for b in brands if splits.held_out("brand", b, part=splits.VALIDATION_SHARE)}
    assert new
    for title, brand, (measured, _) in zip(titles, brands, found, strict=False):
        assert measured == (splits.for_validation(title) or brand in new)


def test_a_set_without_a_split_and_a_row_of_another_set_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "Tea", "target_scores": 3}\n')
    with pytest.raises(DataError, match="no split of 'query-ner'"):
        list(parts.split("query-ner", path))
    with pytest.raises(DataError, match=r"rows\.jsonl, line 1: is no row of oa-mine"):
        list(parts.split("oa-mine", path))


def test_unlabelled_texts_come_once_and_never_from_the_measured_part(tmp_path):
    folder = tmp_path / "icecat"
    folder.mkdir()
    titles = [f"Cable number {number % 150}" for number in range(300)]
    with gzip.open(folder / "products.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"title": title}) + "\n" for title in titles)
    found = [one.text for one in unlabelled.read(tmp_path, most=1000)]
    assert len(found) == len(set(found))
    assert set(found) == {title for title in titles if not splits.for_validation(title)}
    assert len(unlabelled.read(tmp_path, most=10)) == 10


def test_another_brand_takes_the_place_of_the_old_one_and_all_labels_stay_where_they_were():
    title = row(
        "New Acme Tea, 20 Bags",
        ("Acme", "brand"),
        ("Tea", "product_type"),
        ("20 Bags", "quantity"),
        kind="title",
    )
    rng, brands = random.Random(1), ["tripp lite", "x"]
    made = [rebranded(title, brands, rng) for _ in range(200)]
    named = {one.value(p) for one in made for p in one.pieces if p.label == "brand"}
    assert {"Acme", "Tripp Lite", "X"} < named
    for one in made:
        assert [p.label for p in one.pieces] == ["brand", "product_type", "quantity"]
        assert [one.value(p) for p in one.pieces[1:]] == ["Tea", "20 Bags"]
        assert one.text.startswith("New ")
    assert 60 < sum(one == title for one in made) < 180
    assert rebranded(QUERIES[0], brands, rng) == QUERIES[0]
