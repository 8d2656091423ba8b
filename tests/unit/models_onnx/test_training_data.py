"""What the models are trained on: mapping, splits, generator. The real sets: marker `shared`."""

import os
import random
from pathlib import Path

import pytest

from models_onnx.labels import LABELS
from models_onnx.tagging import grammar, lexicon, oa_mine, query_ner, splits
from models_onnx.tagging.examples import Labelled, Piece, distinct, word_labels
from models_onnx.tokens import Encoded

WORDS = lexicon.load()
SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", Path(__file__).parents[4] / "shared")) / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is not there")


def writer(seed=0, **more):
    return grammar.Writer(WORDS, random.Random(seed), brands=["nike", "acme"], **more)


@pytest.mark.parametrize("unseen", [False, True])
def test_generated_labels_lie_on_whole_words_apart_and_in_order(unseen):
    for row in writer(unseen=unseen).write(600):
        ends = 0
        for piece in row.pieces:
            assert piece.label in LABELS
            assert ends <= piece.start < piece.end <= len(row.text)
            around = (
                row.text[max(0, piece.start - 1) : piece.start]
                + row.text[piece.end : piece.end + 1]
            )
            assert not any(c.isalnum() for c in around), row
            ends = piece.end


def test_the_same_seed_writes_the_same_texts():
    assert list(writer(3).write(50)) == list(writer(3).write(50))
    assert list(writer(3).write(50)) != list(writer(4).write(50))


def test_held_out_phrases_are_never_written_for_training():
    phrases = {(k, splits.normal(v)) for k, vs in WORDS.general.items() for v in vs}
    written = {value for row in writer().write(4000) for value in row.values()}
    leaked = {v for v in written & phrases if splits.held_out(*v) and "-" not in v[1]}
    # A phrase may still be put together from halves of which neither is held out.
    composed = {v for v in leaked if v[0] in WORDS.parts}
    assert len(leaked - composed) <= len(phrases) // 200


def test_a_fifth_is_held_out_and_everyday_words_never():
    values = [("audience", f"people number {i}") for i in range(2000)]
    share = sum(splits.held_out(*v) for v in values) / len(values)
    assert 0.17 < share < 0.23
    assert not any(splits.held_out("color", word) for word in splits.EVERYDAY)


def test_the_split_knows_a_title_however_it_is_written():
    for i in range(50):
        assert splits.for_validation(f"Café Shoes {i}") == splits.for_validation(
            f"CAFE  shoes, {i}!"
        )


def test_the_same_title_twice_is_one_row():
    rows = [
        Labelled(text=t, kind="title", pieces=(), source="x")
        for t in ("Red Shoes", "red  shoes!", "!")
    ]
    assert [row.text for row in distinct(rows)] == ["Red Shoes"]


def test_labels_of_words_follow_the_pieces():
    row = Labelled(text="dark blue shoes", kind="query", pieces=(Piece(0, 9, "color"),), source="x")
    encoded = Encoded([1, 2, 3, 4, 5], [0, 1, 1, 1, 1], [(1, 0, 4), (2, 5, 9), (3, 10, 15)])
    column = {"O": 0, "B-color": 1, "I-color": 2}
    assert word_labels(row, encoded, column) == [1, 2, 0]


@pytest.mark.parametrize(
    ("kind", "words", "label"),
    [
        ("core_product_type", "shoes", "product_type"),
        ("creator", "nike", "brand"),
        ("occasion", "winter", "season"),
        ("occasion", "halloween", "occasion"),
        ("occasion", "camping", "activity"),
        ("modifier", "kitchen", "location"),
        ("modifier", "dogs", "audience"),
        ("modifier", "bluetooth", "feature"),
        ("shape", "mini", "size"),
        ("shape", "long sleeve", "shape"),
        ("condition", "without batteries", "exclusion"),
        ("content", "star wars", "theme"),
        ("quantity", "100 count", "quantity"),
        ("quantity", "pack of 6", "pack"),
        ("condition", "refurbished", "condition"),
        ("color", "camo", "pattern"),
    ],
)
def test_kinds_of_query_ner_are_mapped_by_their_words(kind, words, label):
    assert query_ner.label_of(kind, words) == label


def test_what_an_accessory_is_made_for_is_compatibility():
    assert query_ner.label_of("product_name", "iphone 11", beside_accessory=True) == "compatibility"
    assert query_ner.label_of("product_name", "air max") == "model"


@pytest.mark.parametrize(
    ("noun", "one", "many"),
    [
        ("shoes", "shoe", "shoes"),
        ("dress", "dress", "dresses"),
        ("watches", "watch", "watches"),
        ("glass", "glass", "glasses"),
        ("toy", "toy", "toys"),
        ("body lotions", "body lotion", "body lotions"),
    ],
)
def test_nouns_are_inflected(noun, one, many):
    assert (lexicon.singular(noun), lexicon.plural(one)) == (one, many)


def test_every_department_has_types_and_intents():
    for department in WORDS.departments:
        assert len(department.types) >= 30
        assert set(department.fits) >= {"feature", "audience", "activity", "function"}
        assert set(department.has) <= set(LABELS)


@pytest.mark.shared
@shared
def test_query_ner_reads_whole_and_keeps_every_span():
    rows = list(query_ner.read(SHARED / "query-ner" / "dev.jsonl"))
    assert len(rows) == 871
    assert sum(len(row.pieces) for row in rows) > 1800
    assert all(row.value(p).strip() == row.value(p) for row in rows for p in row.pieces)


@pytest.mark.shared
@shared
def test_oa_mine_values_are_found_in_their_titles():
    rows = list(oa_mine.read(SHARED / "oa-mine" / "train.jsonl"))
    assert len(rows) == 1449
    assert sum(len(row.pieces) for row in rows) / len(rows) > 5
