"""What `source check` tells of a sample: counts that add up, and advice that fits."""

import json
from collections.abc import Iterable

from streams.ports import Record
from streams.route.source_check import SourceCheck, check
from streams.route.stage import RouteSettings

NOW_MS = 1_746_093_600_000
MINUTE_MS = 60_000


def settings(*topics: str) -> RouteSettings:
    return RouteSettings({topic: "native" for topic in topics}, b"0123456789abcdef", 4)


def event(action: str, who: str, minute: float, **fields: object) -> dict[str, object]:
    at_ms = NOW_MS + int(minute * MINUTE_MS)
    return {"action_name": action, "client_id": who, "timestamp": at_ms, **fields}


def checked(records: Iterable[object], *, topic: str = "t") -> SourceCheck:
    values = [
        Record(
            offset,
            NOW_MS + 10**9,
            None,
            each if isinstance(each, bytes) else json.dumps(each).encode(),
        )
        for offset, each in enumerate(records)
    ]
    return check(settings(topic), [(topic, 0, values)])


def test_outcomes_sum_to_the_records_and_say_why() -> None:
    found = checked(
        [
            event("search", "a", 0, user_query="clogs"),
            event("impression", "a", 0),
            event("click", "a", 1),
            b"junk",
            {"action_name": "click", "client_id": "a", "product_id": "P"},
            b"more junk",
        ]
    )
    assert found.records == 6 == sum(found.outcomes.values())
    assert found.outcomes == {"used": 1, "dead_letter": 3, "unused": 2}
    assert found.unused == {"action": 1, "no_product": 1}
    first, second = found.troubles
    assert (first.reason, first.count, first.where) == ("not_json", 2, "t/0/3")
    assert (second.reason, second.count, second.where) == ("missing_time", 1, "t/0/4")
    assert any("cannot be read, most for 'not_json'" in words for words in found.advice)


def test_purchases_join_the_search_before_them_in_the_session_only() -> None:
    found = checked(
        [
            event("search", "a", 0, user_query="clogs"),
            event("purchase", "a", 5, product_id="P1"),
            event("purchase", "a", 5, product_id="P2"),
            event("purchase", "a", 40, product_id="P3"),
            event("purchase", "b", 5, product_id="P1"),
        ]
    )
    assert found.events == {"search": 1, "purchase": 4}
    assert (found.shoppers, found.sessions) == (2, 3)
    assert (found.joined, found.pairs, found.co_pairs) == (2, 2, 1)


def test_a_query_id_joins_across_sessions_and_a_sessions_id_cuts_one() -> None:
    search = event("search", "a", 0, user_query="clogs", query_id="q", session_id="s1")
    later = event("purchase", "a", 600, product_id="P1", query_id="q")
    assert checked([search, later]).joined == 1
    cut = event("purchase", "a", 1, product_id="P1", session_id="s2")
    assert checked([search, cut]).joined == 0


def test_order_in_the_sample_and_repeats_do_not_matter() -> None:
    records = [
        event("search", "a", 0, user_query="clogs", event_id="1"),
        event("purchase", "a", 1, product_id="P1", event_id="2"),
        event("purchase", "a", 2, product_id="P2", event_id="3"),
    ]
    found = checked(records)
    again = checked([*reversed(records), *records])
    assert (again.events, again.joined, again.pairs) == (found.events, found.joined, found.pairs)
    assert again.days == found.days


def test_pairs_a_day_are_over_the_span_of_event_time() -> None:
    found = checked(
        [
            event("search", "a", 0, user_query="clogs"),
            event("purchase", "a", 1, product_id="P1"),
            event("click", "b", 2 * 24 * 60, product_id="P1"),
        ]
    )
    assert found.days == 2.0
    assert found.pairs_per_day == 0.5


def test_topics_are_joined() -> None:
    def batch(topic: str, record: object) -> tuple[str, int, list[Record]]:
        return topic, 0, [Record(0, NOW_MS + 10**9, None, json.dumps(record).encode())]

    found = check(
        settings("searches", "orders"),
        [
            batch("orders", event("purchase", "a", 1, product_id="P1")),
            batch("searches", event("search", "a", 0, user_query="clogs")),
        ],
    )
    assert found.joined == 1


def test_advice_says_what_is_missing() -> None:
    assert "empty" in checked([]).advice[0]
    search = event("search", "a", 0, user_query="clogs")
    bought = [event("purchase", f"b{n}", n, product_id="P") for n in range(20)]
    assert any("No purchase" in words for words in checked([search]).advice)
    assert any("No search" in words for words in checked(bought).advice)
    assert any("Only 0 of 20 purchases" in words for words in checked([search, *bought]).advice)
    assert "Products only" in checked([{"product_id": "P", "title": "t"}]).advice[0]
    good = [search, event("purchase", "a", 1, product_id="P")]
    assert checked(good).advice == []


def test_nothing_of_a_shopper_is_told() -> None:
    found = checked([event("search", "jane@mail.example", 0, user_query="clogs for jane")])
    assert "jane" not in repr(found)
