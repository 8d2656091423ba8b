"""The figures of the tagger's card, against cases worked out by hand."""

from models_onnx.spans import Span, Tagged, Text
from models_onnx.tagging import evaluate as tagging
from models_onnx.tagging.examples import Labelled, Piece


def test_spans_count_only_when_place_and_label_agree():
    gold = [{Piece(0, 3, "color"), Piece(4, 8, "brand")}, {Piece(0, 2, "size")}]
    found = [{Piece(0, 3, "color"), Piece(4, 8, "model")}, {Piece(0, 1, "size")}]
    assert tagging.score(gold, found) == {"precision": 0.3333, "recall": 0.3333, "f1": 0.3333}
    assert tagging.by_label(gold, found) == {"brand": 0.0, "color": 1.0, "size": 0.0}


def test_nothing_found_is_zero_and_no_error():
    assert tagging.score([set()], [set()])["f1"] == 0.0


def test_seen_and_unseen_values_are_told_apart():
    class Knows:
        def tag(self, texts: list[Text]) -> list[Tagged]:
            return [Tagged((Span(0, 3, "color", "red", 1.0),)) for _ in texts]

    rows = [
        Labelled(text=t, kind="query", pieces=(Piece(0, len(t), "color"),), source="x")
        for t in ("red", "mauve")
    ]
    figures = tagging.measure(Knows(), rows, {("color", "red")})
    assert (figures["recall_seen"], figures["recall_unseen"]) == (1.0, 0.0)
    assert (figures["spans_seen"], figures["spans_unseen"]) == (1, 1)
