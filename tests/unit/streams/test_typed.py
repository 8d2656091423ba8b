"""Which product type of a text is believed: the tagger's own, or what the text names."""

import pytest

from models_onnx.spans import Span, Tagged, Text
from streams.products.typed import SURE, Found, OntologyTyper, found
from topology.ontology import default_ontology

ONTOLOGY = default_ontology()


def tagged(own="", score=0.0, *names):
    spans = tuple(Span(i, i + 1, "product_type", name, 0.8) for i, name in enumerate(names))
    return Tagged(spans, own, score)


def slugs(*args, **more):
    return [one.slug for one in found(tagged(*args), ONTOLOGY, **more)]


def test_the_names_used_here_are_types_as_the_tests_need_them():
    assert ONTOLOGY.is_a("sandals", "shoes")
    assert not ONTOLOGY.is_a("televisions", "shoes")
    assert ONTOLOGY.type_of("sandals") == "sandals"


def test_a_narrower_type_that_the_text_names_stands_before_the_taggers_own():
    assert slugs("shoes", 0.99, "sandals")[:2] == ["sandals", "shoes"]


def test_the_taggers_own_stands_before_a_broader_one_that_the_text_names():
    assert slugs("sandals", 0.5, "shoes") == ["sandals", "shoes"]


@pytest.mark.parametrize(
    ("score", "first"), [(SURE, "televisions"), (SURE - 0.01, "sandals"), (0.5, "sandals")]
)
def test_against_what_the_text_names_the_tagger_has_to_be_sure(score, first):
    assert slugs("televisions", score, "sandals")[0] == first


def test_a_type_that_no_word_names_needs_the_score_asked_for():
    assert slugs("televisions", 0.6) == ["televisions"]
    assert slugs("televisions", SURE - 0.01, unnamed=SURE) == []
    assert slugs("televisions", SURE, unnamed=SURE) == ["televisions"]
    assert slugs("televisions", 0.6, "sandals", unnamed=SURE) == ["sandals"]


def test_on_the_line_of_a_named_one_it_needs_no_score():
    assert slugs("shoes", 0.5, "sandals", unnamed=SURE) == ["sandals", "shoes"]


def test_a_type_that_this_ontology_lacks_is_passed_over():
    assert slugs("flying-carpets", 0.99, "sandals") == ["sandals"]
    assert slugs("flying-carpets", 0.99) == []


def test_a_named_type_bears_its_name_and_the_spans_score_and_an_unnamed_one_its_own():
    assert found(tagged("shoes", 0.7, "sandals"), ONTOLOGY)[:2] == [
        Found("sandals", "sandals", 0.8),
        Found("shoes", "", 0.7),
    ]


def test_the_typer_answers_the_first_or_none():
    class Tags:
        bundle_id = "tagging@0"

        def tag(self, texts):
            return [tagged("televisions", 0.5, "sandals"), tagged()]

    first, nothing = OntologyTyper(Tags(), ONTOLOGY).type_of([Text("a", "title")] * 2)
    assert (first.id, first.score) == ("type:sandals", 0.8)
    assert nothing is None
