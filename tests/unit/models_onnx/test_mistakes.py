"""Kinds of mistakes, told by comparing gold with answers."""

import pytest

from models_onnx import seen
from models_onnx.evaluation.mistakes import mistakes
from models_onnx.sets.records import Gold, Marked

TEXT = "red enamel mug for campers"
RED = Marked(0, 3, "color")
ENAMEL = Marked(4, 10, "material")
MUG = Marked(11, 14, "thing")


def found(gold, *answers, known=None):
    items = {(one.label, one.start, one.end) for one in answers}
    texts = [Gold(text=TEXT, kind="query", marked=gold)]
    return [(one.kind, one.gold, one.found) for one in mistakes(texts, [items], known)]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Marked(4, 10, "color"), "label"),
        (Marked(4, 14, "material"), "boundary"),
        (Marked(4, 14, "thing"), "boundary and label"),
    ],
)
def test_what_overlaps_is_one_mistake(answer, kind):
    [(told, gold, answers)] = found((ENAMEL,), answer)
    assert told == kind
    assert [one.text for one in gold] == ["enamel"]
    assert [one.label for one in answers] == [answer.label]


def test_what_is_right_is_no_mistake():
    assert found((RED, MUG), RED, MUG) == []


def test_one_answer_over_two_values_joins_them():
    [(kind, gold, answers)] = found((ENAMEL, MUG), Marked(4, 14, "thing"))
    assert (kind, len(gold), len(answers)) == ("split or joined", 2, 1)


def test_two_answers_within_one_value_split_it():
    whole = Marked(0, 14, "thing")
    [(kind, gold, answers)] = found((whole,), RED, MUG)
    assert (kind, len(gold), len(answers)) == ("split or joined", 1, 2)


def test_what_nothing_overlaps_is_missed_or_spurious():
    known = seen.of([("color", "red")])
    kinds = [kind for kind, _, _ in found((RED, ENAMEL), MUG, known=known)]
    assert kinds == ["missed, seen", "missed, unseen", "spurious"]


def test_values_without_a_place_stand_where_the_text_has_them():
    gold = Gold(text="Red  Enamel MUG", kind="title", values=(("material", "Red Enamel"),))
    [one] = mistakes([gold], [{("color", "red", 0)}])
    assert (one.kind, one.gold[0].start, one.found[0].end) == ("boundary and label", 0, 3)


def test_a_value_that_the_text_lacks_overlaps_nothing():
    gold = Gold(text="mug", kind="title", values=(("color", "red"),))
    [one] = mistakes([gold], [set()])
    assert (one.kind, one.gold[0].start) == ("missed, unseen", -1)
