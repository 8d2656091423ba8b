"""What people who ask like this want: read as QUERIES reads, answered from accepted facts."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.fakes import FakeTagger
from streams.serve.intents import QueryReader, intents_answer
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader, a_fact

ONTOLOGY = small_ontology()
PREGNANT, NURSE = "intent:audience/pregnant-woman", "intent:audience/nurse"
HIKING = "intent:activity/hiking"
SLIP, RED = "shoes[feature=slip-resistant]", "shoes[color=red]"


class CountingTagger(FakeTagger):
    def __init__(self, lexicon=LEXICON):
        super().__init__(lexicon)
        self.texts: list[str] = []

    async def tag_async(self, texts):
        self.texts += [text.text for text in texts]
        return self.tag(texts)


def fact(head, intent, score, *, relation="used_for_aud", **more):
    return a_fact(head, relation, intent, score=score, **more)


GRAPH = [
    fact(f"concept:{SLIP}", PREGNANT, 0.8),
    fact(f"concept:{RED}", PREGNANT, 0.6),
    fact("concept:shoes[color=blue]", PREGNANT, 0.95, status="held"),
    fact("concept:shoes[color=green]", PREGNANT, 0.9, status="rejected"),
    fact("type:shoes", NURSE, 0.4),
    fact("type:shoes", HIKING, 0.5, relation="xWant"),
    fact("concept:mug[color=red]", NURSE, 0.7),
    a_fact("type:shoes", "used_with", "type:mug"),
    a_fact("product:1", "has_type", "type:shoes"),
]


def ask(query, facts=GRAPH, *, tagger=None, **more):
    queries = QueryReader(tagger or CountingTagger(), ONTOLOGY)
    (reading,) = asyncio.run(queries.read([query]))
    return intents_answer(MemoryReader(facts), ONTOLOGY, reading, **more)


def concepts(answer):
    return [each.concept for each in answer.intents]


def test_a_query_that_nobody_asked_before_is_answered_from_concepts_best_first():
    answer = ask("Shoes for PREGNANT women!")
    assert concepts(answer) == [f"concept:{SLIP}", f"concept:{RED}"]
    best = answer.intents[0]
    assert (best.relation, best.intent, best.score) == ("used_for_aud", PREGNANT, 0.8)
    assert best.counts == {"both": 18, "asked": 40, "value": 90, "type": 400}
    assert best.why.queries == ("shoes for nurses",)
    assert answer.answered_for == ("type:shoes",)
    assert answer.note == ""
    read = answer.read
    assert (read.types, read.values, read.bundle) == (("shoes",), (), "tagging@0.0.0-rules-fake")
    assert [(each.node, each.by) for each in read.intents] == [(PREGNANT, "tagger")]


def test_held_and_rejected_facts_are_no_answer():
    nothing = ask("boots for hiking", [fact("type:boots", HIKING, 0.9, status="held")])
    assert nothing.intents == ()
    assert "nothing is accepted" in nothing.note


@given(st.lists(st.integers(0, 100), min_size=1, max_size=12), st.integers(1, 5))
def test_the_best_are_kept_in_order_of_score(scores, limit):
    facts = [
        fact(f"concept:shoes[color=c{place}]", PREGNANT, score / 100)
        for place, score in enumerate(scores)
    ]
    found = ask("shoes for pregnant women", facts, limit=limit)
    assert [each.score for each in found.intents] == sorted(
        (score / 100 for score in scores), reverse=True
    )[:limit]


def test_where_nothing_is_known_of_a_type_the_types_above_it_answer():
    answer = ask("running shoes for pregnant women")
    assert answer.read.types == ("running-shoes",)
    assert answer.answered_for == ("type:shoes",)
    assert concepts(answer)[0] == f"concept:{SLIP}"
    assert "of related types" in answer.note


def test_where_nothing_stands_above_it_the_types_below_answer():
    answer = ask("fashion for pregnant women", tagger=CountingTagger({**LEXICON}))
    assert answer.read.types == ("fashion",)
    assert concepts(answer) == [f"concept:{SLIP}", f"concept:{RED}"]


def test_without_an_intent_the_typical_ones_of_the_type_are_told():
    answer = ask("shoes")
    told = [(each.concept, each.intent) for each in answer.intents]
    assert told[:2] == [(f"concept:{SLIP}", PREGNANT), (f"concept:{RED}", PREGNANT)]
    assert told[2:] == [("type:shoes", HIKING), ("type:shoes", NURSE)]


def test_a_value_narrows_what_is_typical_where_anything_is_known_of_it():
    answer = ask("slip resistant shoes")
    assert answer.read.values == ("value:feature/slip-resistant",)
    assert concepts(answer) == [f"concept:{SLIP}"]
    assert concepts(ask("green shoes")) == concepts(ask("shoes"))


def test_a_type_with_intents_of_its_concepts_alone_tells_those():
    assert concepts(ask("mug")) == ["concept:mug[color=red]"]


def test_an_intent_alone_is_answered_from_all_types():
    answer = ask("for nurses")
    assert concepts(answer) == ["concept:mug[color=red]", "type:shoes"]
    assert answer.answered_for == ("type:mug", "type:shoes")


def test_what_the_tagger_misses_is_looked_up_by_name_and_never_guessed():
    blind = CountingTagger({})
    answer = ask("shoes for pregnant women", tagger=blind)
    assert answer.read.types == ("shoes",)
    assert [(each.node, each.by, each.relation) for each in answer.read.intents] == [
        (PREGNANT, "name", "used_for_aud")
    ]
    assert concepts(answer)[0] == f"concept:{SLIP}"
    assert ask("shoes for surgeons", tagger=blind).read.intents == ()


@pytest.mark.parametrize("query", ["", "   ", "???", "qwertz", "jane@example.com"])
def test_a_query_that_says_nothing_known_gets_an_empty_answer_that_says_so(query):
    answer = ask(query)
    assert answer.intents == ()
    assert "names no product type and no intent" in answer.note
    assert "jane" not in answer.read.query


def test_names_that_are_accepted_to_be_the_same_intent_answer_together():
    facts = [*GRAPH, a_fact("intent:audience/expecting-mother", "same_as", PREGNANT)]
    facts.append(fact("concept:shoes[color=pink]", "intent:audience/expecting-mother", 0.9))
    answer = ask("shoes for pregnant women", facts)
    assert concepts(answer)[0] == "concept:shoes[color=pink]"


def test_types_whose_names_begin_alike_are_not_mixed_up():
    facts = [fact("type:shoes-rack", NURSE, 0.9), fact("concept:shoes-rack[color=red]", NURSE, 0.9)]
    assert concepts(ask("shoes for nurses", [*facts, *GRAPH])) == ["type:shoes"]


def test_a_text_is_tagged_once_however_often_and_however_it_is_written():
    tagger = CountingTagger()
    queries = QueryReader(tagger, ONTOLOGY)
    first = asyncio.run(queries.read(["Red  SHOES", "red shoes", "mug", ""]))
    again = asyncio.run(queries.read(["red shoes", "mug"]))
    assert tagger.texts == ["red shoes", "mug"]
    assert first[0] == first[1] == again[0]
    assert [reading.query for reading in first] == ["red shoes", "red shoes", "mug", ""]
