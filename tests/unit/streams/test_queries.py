"""QUERIES: the gate of k shoppers, and what leaves it."""

import pytest

from models_onnx.fakes import FakeTagger
from models_onnx.spans import Text
from streams.errors import SettingsError, StateError
from streams.models.answers import ANSWERS, text_key
from streams.outcomes import DEAD_LETTER, STALE, USED
from streams.queries import MAX_QUERY_CHARS, QuerySettings, asked_of, build_queries
from streams.totals.messages import Asked, decode_asked
from streams.totals.wire import join
from tests.one_partition import LEXICON, OnePartition, Tell, small_ontology

TEXT = "slip resistant shoes for pregnant women"
QUERY, WEEK, NEXT = b"query:1", b"02000", b"02001"
ONTOLOGY = small_ontology()


def started(k: int = 3, durable=None) -> OnePartition:
    build = build_queries(QuerySettings(k=k, bundle="tagging@1"), ONTOLOGY)
    return OnePartition("queries", build, ["asked"], durable)


class Sender:
    """SHOPPERS' partitions, by number; versions rise."""

    def __init__(self, stage: OnePartition) -> None:
        self.stage, self.version = stage, 0

    def asks(self, n: int, *, week: bytes = WEEK, sender: int = 0, text: str = TEXT) -> None:
        self._tell(sender, (QUERY, b"a", week), n, text.encode() if n else b"")

    def buys(self, n: int, product: bytes = b"p1", *, kind: bytes = b"c", week=WEEK) -> None:
        self._tell(0, (QUERY, kind, product, week), n)

    def marks(self, sender: int, incarnation: int) -> None:
        tell = Tell("searched", sender, incarnation, 0, None)
        self.stage.read("searched", tell.record())

    def _tell(self, sender: int, key: tuple[bytes, ...], n: int, payload: bytes = b"") -> None:
        self.version += 1
        tell = Tell("searched", sender, 1, self.version, key, n, payload)
        self.stage.read("searched", tell.record())


def asked(stage: OnePartition) -> dict[bytes, tuple[int, Asked]]:
    stage.commit()
    return {key: (n, decode_asked(payload)) for (_, key), (n, payload) in stage.told().items()}


KEY = join(b"p1", QUERY, b"c", WEEK)


def test_a_query_waits_until_k_shoppers_of_one_week_used_it():
    stage = started()
    sender = Sender(stage)
    sender.buys(2)
    sender.asks(2)
    sender.asks(2, week=NEXT)
    assert asked(stage) == {}
    assert stage.questions == 0
    assert stage.owner.stage.gauges() == {"waiting": 1}

    sender.asks(1, sender=1)  # 2 + 1 in the first week
    ((key, (n, said)),) = asked(stage).items()
    assert (key, n) == (KEY, 2)
    assert said.query == TEXT
    assert said.bundle == "tagging@1"
    assert stage.owner.stage.gauges() == {"waiting": 0}


def test_purchases_do_not_open_the_gate():
    stage = started()
    sender = Sender(stage)
    sender.asks(2)
    for product in (b"p1", b"p2"):
        sender.buys(50, product)
    assert asked(stage) == {}


def test_no_query_text_leaves_or_is_tagged_while_its_gate_is_closed():
    stage = started()
    sender = Sender(stage)
    sender.asks(2)
    sender.buys(2)
    stage.commit()
    messages = stage.owner.take(100)
    assert stage.questions == 0
    assert TEXT.encode() not in b"".join(message.key + message.value for message in messages)


def test_the_gate_closes_with_zeros_when_its_total_falls():
    stage = started()
    sender = Sender(stage)
    sender.asks(3)
    sender.buys(2)
    sender.buys(1, b"p2", kind=b"b")
    assert len(asked(stage)) == 2
    stage.owner.take(100)
    stage.owner.settled()

    sender.asks(2)
    assert asked(stage) == {}
    messages = stage.owner.take(100)
    assert {message.key[10:] for message in messages} == {KEY, join(b"p2", QUERY, b"b", WEEK)}
    assert all(message.value.endswith(bytes(8)) for message in messages)
    assert stage.owner.stage.gauges() == {"waiting": 1}


def test_the_gate_stays_open_for_another_week_of_k():
    stage = started()
    sender = Sender(stage)
    sender.buys(1)
    sender.asks(3)
    sender.asks(4, week=NEXT)
    sender.asks(0)
    assert asked(stage)[KEY][0] == 1
    sender.asks(2, week=NEXT)
    assert asked(stage) == {}


def test_a_marker_that_takes_a_sender_away_closes_the_gate():
    stage = started()
    sender = Sender(stage)
    sender.buys(1)
    sender.asks(2)
    sender.asks(2, sender=1)
    assert KEY in asked(stage)
    sender.marks(1, 7)
    assert asked(stage) == {}


def test_what_comes_behind_an_open_gate_is_told_at_once_and_the_text_tagged_once():
    stage = started()
    sender = Sender(stage)
    sender.asks(3)
    sender.buys(1)
    stage.commit()
    assert stage.questions == 1
    sender.asks(9)
    sender.buys(5)
    sender.buys(2, b"p2")
    assert {key: n for key, (n, _) in asked(stage).items()} == {
        KEY: 5,
        join(b"p2", QUERY, b"c", WEEK): 2,
    }
    assert stage.questions == 1


def test_opening_and_closing_within_one_batch_tells_nothing():
    stage = started()
    sender = Sender(stage)
    sender.buys(1)
    sender.asks(3)
    sender.asks(1)
    assert asked(stage) == {}
    assert stage.questions == 0


def test_the_gate_survives_a_crash():
    stage = started()
    Sender(stage).asks(3)
    stage.commit()
    again = stage.crashed()
    sender = Sender(again)
    sender.version = 10
    sender.buys(4)
    assert asked(again)[KEY][0] == 4
    sender.asks(1)
    assert asked(again) == {}
    assert again.crashed().owner.stage.gauges() == {"waiting": 1}


def test_a_store_of_another_k_is_refused():
    stage = started(k=3)
    stage.commit()
    with pytest.raises(StateError, match="k=3, the settings say k=4"):
        started(k=4, durable=stage.store.durable)
    with pytest.raises(SettingsError, match="1 or more"):
        QuerySettings(k=0)


def test_flush_before_the_answers_is_refused():
    stage = started(k=1)
    Sender(stage).asks(1)
    with pytest.raises(StateError, match="before 1 queries"):
        stage.owner.commit()


def test_odd_totals_do_no_harm_and_are_counted():
    stage = started(k=1)
    stage.read("searched", (b"\0", b"x"), (None, None))
    for number, key in enumerate([(b"q",), (b"q", b"z", b"w"), (b"", b"a", b"w"), (b"q", b"b")]):
        stage.read("searched", Tell("searched", 0, 1, number, key, 1, b"\xff").record())
    sender = Sender(stage)
    sender.version = 10
    sender.asks(1, text="\ufffd" * 5_000)
    sender.buys(1)
    assert len(asked(stage)[KEY][1].query) == MAX_QUERY_CHARS
    tally = stage.owner.tally
    counted = {name: tally[f"searched.{name}"] for name in (USED, STALE, DEAD_LETTER)}
    assert counted == {USED: 2, STALE: 1, DEAD_LETTER: 5}


def test_a_query_whose_text_nobody_sent_waits_for_it():
    stage = started(k=1)
    sender = Sender(stage)
    sender.buys(1)
    sender.asks(1, text="")
    assert asked(stage) == {}
    sender.asks(1, sender=1)
    assert asked(stage)[KEY][1].query == TEXT


def test_spans_become_relations_types_and_values():
    text = "red shoes or running shoes, waterproof, for nurses and Pregnant Women hiking"
    (tagged,) = FakeTagger(LEXICON).tag([Text(text, "query")])
    said = asked_of(text, tagged, ONTOLOGY, "tagging@1")
    assert said.types == ("running-shoes", "shoes")
    assert said.values == ("value:color/red", "value:feature/waterproof")
    assert [(relation, node) for relation, node, _ in said.intents] == [
        ("used_for_aud", "intent:audience/nurse"),
        ("used_for_aud", "intent:audience/pregnant-woman"),
        ("xWant", "intent:activity/hiking"),
    ]


def test_a_stage_that_is_made_anew_between_batches_goes_on_as_one_that_was_never_touched():
    untouched, touched = started(k=2), started(k=2)
    for stage, restages in ((untouched, False), (touched, True)):
        sender = Sender(stage)
        sender.asks(1)
        sender.buys(3)
        stage.commit()
        if restages:
            stage.owner.restage(build_queries(QuerySettings(k=2, bundle="tagging@2"), ONTOLOGY))
        sender.asks(2)
    before, after = asked(untouched), asked(touched)
    assert before.keys() == after.keys() == {KEY}
    assert before[KEY][1].bundle == "tagging@1"
    assert after[KEY][1].bundle == "tagging@2"  # tagged after the exchange


def test_the_answer_for_a_text_goes_with_its_gate_and_with_its_bundle():
    stage = started(k=2)
    sender = Sender(stage)
    sender.asks(2)
    stage.commit()
    mine, other = (text_key(Text(each, "query"), "tagging@1") for each in (TEXT, "red shoes"))
    stage.store.put(ANSWERS, mine, b"what the edge keeps")
    stage.store.put(ANSWERS, other, b"of another text")
    sender.asks(1)
    stage.commit()
    assert set(stage.store.durable[ANSWERS]) == {other}

    sender.asks(2)
    stage.commit()
    stage.store.put(ANSWERS, mine, b"asked again")
    build = build_queries(QuerySettings(k=2, bundle="tagging@2"), ONTOLOGY)
    again = OnePartition("queries", build, ["asked"], stage.store.durable | {})
    again.store.put(ANSWERS, mine, b"asked again")
    assert again.owner.stage.reread(10) == 1
    again.commit()
    assert mine not in again.store.durable[ANSWERS]
