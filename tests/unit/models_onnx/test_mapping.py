"""Published mappings: what holds of each file, and what the rules do."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx import bundle, mapping
from models_onnx.errors import DataError
from models_onnx.sets import icecat, myntra, query_ner
from models_onnx.spans import Span

NAMES = mapping.published()
MARKING = [name for name in NAMES if mapping.load(name).labels]
OURS = sorted(
    {
        label[2:]
        for label in bundle.read_manifest(bundle.shipped("tagging")).labels
        if label.startswith("B-")
    }
)
TYPES = ["", "shoes", "coffee", "Vitamin", "tea", "face masks", "Computers And Accessories"]
WORDS = st.lists(
    st.sampled_from(
        ["for", "the", "with", "women", "cute", "12", "oz", "2-pack", "without", "SPF30", "K-Cup"]
    ),
    min_size=1,
    max_size=14,
)


@st.composite
def tagged(draw):
    words = draw(WORDS)
    text = " ".join(words)
    starts = [sum(len(w) + 1 for w in words[:i]) for i in range(len(words))]
    spans, at = [], 0
    while at < len(words):
        size = draw(st.integers(1, 3))
        if draw(st.booleans()):
            last = min(at + size, len(words)) - 1
            end = starts[last] + len(words[last])
            label = draw(st.sampled_from(OURS))
            spans.append(Span(starts[at], end, label, text[starts[at] : end], 0.9))
        at += size
    return text, spans


def test_the_sets_that_mark_texts_have_a_mapping():
    assert {"query-ner", "oa-mine", "icecat", "myntra-styles", "wdc-pave"} == set(MARKING)
    assert set(query_ner.LABELS) == set(mapping.load("query-ner").labels)
    assert set(icecat.FIELDS.values()) == set(mapping.load("icecat").labels)
    assert set(myntra.FIELDS) == set(mapping.load("myntra-styles").labels)


@pytest.mark.parametrize("name", MARKING)
def test_every_label_of_the_shipped_tagger_is_decided(name):
    plain = {label for rule in mapping.load(name).rules if rule.is_plain for label in rule.labels}
    assert not set(OURS) - plain, "labels without a rule that always fits"


@pytest.mark.parametrize("name", MARKING)
def test_no_rule_is_out_of_reach(name):
    closed: set[str] = set()
    for number, rule in enumerate(mapping.load(name).rules, 1):
        assert rule.labels - closed, f"rule {number} stands behind ones that always fit"
        if rule.is_plain:
            closed |= rule.labels


@pytest.mark.parametrize("name", MARKING)
@given(tagged(), st.sampled_from(["title", "query"]), st.sampled_from(TYPES))
def test_mapped_spans_are_the_sets_and_never_overlap(name, text_and_spans, kind, product_type):
    text, spans = text_and_spans
    into = mapping.load(name)
    found = into.apply(spans, text=text, kind=kind, product_type=product_type)
    assert all(span.label in into.labels for span in found)
    assert all(span.text == text[span.start : span.end] for span in found)
    assert all(span.text == span.text.strip() for span in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert found == into.apply(spans, text=text, kind=kind, product_type=product_type)


RULES = """
labels = ["gender", "animal", "what", "rest"]
join = ["rest"]

[[rule]]
label = "audience"
text = "dogs?|cats?"
to = "animal"

[[rule]]
label = "audience"
type = "shoe"
kind = "title"
to = "gender"
before = "for( the)?"

[[rule]]
label = ["audience", "price"]
to = ""

[[rule]]
label = "other"
to = "rest"
"""


def spans(text, *said):
    return [
        Span(text.index(v), text.index(v) + len(v), label, v, 0.5 + n / 10)
        for n, (v, label) in enumerate(said)
    ]


def shown(found):
    return [(span.label, span.text) for span in found]


@pytest.mark.parametrize(
    ("kind", "product_type", "wanted"),
    [
        ("title", "running shoes", [("animal", "Dog"), ("gender", "for the women")]),
        ("title", "", [("animal", "Dog")]),
        ("query", "shoes", [("animal", "Dog")]),
    ],
)
def test_the_first_rule_that_fits_decides(kind, product_type, wanted):
    text = "Dog slippers for the women cheap"
    said = spans(text, ("Dog", "audience"), ("women", "audience"), ("cheap", "price"))
    into = mapping.parse("x", RULES)
    assert shown(into.apply(said, text=text, kind=kind, product_type=product_type)) == wanted


def test_words_before_are_never_those_of_another_span():
    text = "for the women"
    said = spans(text, ("for", "other"), ("women", "audience"))
    found = mapping.parse("x", RULES).apply(said, text=text, kind="title", product_type="shoe")
    assert shown(found) == [("rest", "for"), ("gender", "women")]


def test_neighbours_become_one_where_the_file_says_so():
    text = "star wars, mug red"
    said = spans(text, ("star", "other"), ("wars", "other"), ("mug", "other"))
    (first, second) = mapping.parse("x", RULES).apply(said, text=text, kind="title")
    assert (first.text, first.score, second.text) == ("star wars", 0.5, "mug")


def test_a_value_is_bare_without_the_words_before_it():
    into = mapping.parse("x", RULES)
    assert into.bare("gender", "for the women") == "women"
    assert into.bare("gender", "women") == "women"
    assert into.bare("rest", "for the women") == "for the women"
    assert into.bare("gender", "for") == "for"


def test_the_labels_of_ours_behind_a_label_are_known():
    into = mapping.parse("x", RULES)
    assert into.sources("gender") == {"audience"}
    assert into.sources("what") == frozenset()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("labels = [", "x.toml"),
        ("rule = []", "labels"),
        ('labels = ["a"]\n[[rule]]\nlabel = "b"\nto = "c"', "c not among the set's labels"),
        ('labels = ["a"]\n[[rule]]\nlabel = "b"\nto = "a"\ntext = "("', "no regular expression"),
        ('labels = ["a"]\n[[rule]]\nlabel = "b"\nto = "a"\nkind = "x"', "rule 1 needs"),
        ('labels = ["a"]\n[[rule]]\nlabel = "b"\nto = "a"\nwhen = "x"', "when"),
        ('labels = ["a"]\n[attributes]\nb = "color"', "b not among"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(text, says):
    with pytest.raises(DataError, match=says):
        mapping.parse("x", text)


def test_a_set_without_a_mapping_is_refused_with_those_that_have_one():
    with pytest.raises(DataError, match="query-ner"):
        mapping.load("nothing")
