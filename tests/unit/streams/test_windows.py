"""What is a session, which searches led to a purchase, what is a pair: by example."""

import pytest

from streams.errors import SettingsError
from streams.events import Click, Event, Purchase, Return, Search
from streams.shoppers.windows import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    WindowSettings,
    basket_of,
    in_order,
    led_to,
    query_hash,
    sessions_of,
    standing,
    uncapped,
)
from streams.weeks import WEEK_MS, week_end_ms, week_key, week_of

MONDAY = week_end_ms(2700)
NOON = MONDAY + 12 * HOUR_MS
WEEK = week_key(week_of(NOON))
RULES = WindowSettings()


def at(minutes: float) -> int:
    return NOON + int(minutes * MINUTE_MS)


def search(
    minutes: float, query: str, *, query_id: str = "", session: str = "", ident: str = ""
) -> Event:
    return Search(ident or f"s{minutes}{query}", at(minutes), "ann", query, query_id, session)


def click(
    minutes: float, product: str, *, query_id: str = "", session: str = "", ident: str = ""
) -> Event:
    return Click(ident or f"c{minutes}{product}", at(minutes), "ann", product, query_id, session)


def buy(
    minutes: float,
    product: str,
    *,
    query_id: str = "",
    session: str = "",
    order: str = "",
    ident: str = "",
) -> Event:
    ident = ident or f"p{minutes}{product}"
    return Purchase(ident, at(minutes), "ann", product, query_id, session, order)


def give_back(minutes: float, product: str, *, order: str = "") -> Event:
    return Return(f"r{minutes}{product}", at(minutes), "ann", product, "", order)


def labelled(*events: Event) -> list[list[str]]:
    """Ids by session."""
    return [
        [event.id for event in session]
        for session in sessions_of(sorted(events, key=in_order), RULES)
    ]


def led(*events: Event) -> dict[str, bool]:
    """What led to the last of the events: query -> clicked, the last search first."""
    *before, purchase = sorted(events, key=in_order)
    assert isinstance(purchase, Purchase)
    (session,) = (s for s in sessions_of([*before, purchase], RULES) if purchase in s)
    texts = {query_hash(e.query): e.query for e in before if isinstance(e, Search)}
    found = led_to(purchase, session[: session.index(purchase)], before, RULES)
    return {texts[query]: clicked for query, clicked in found}


def searched(*events: Event, rules: WindowSettings = RULES) -> set[str]:
    """Keys of `searched` behind a purchase, readable."""
    texts = {query_hash(e.query): e.query.encode() for e in events if isinstance(e, Search)}
    keys = [key.split(b"\0") for topic, key in standing(events, rules) if topic == "searched"]
    return {b" ".join([texts[p[0]], *p[1:-1]]).decode() for p in keys if p[1] != b"a"}


def bought(*events: Event, rules: WindowSettings = RULES) -> set[str]:
    """Keys of `bought` without the week, readable."""
    keys = {key for topic, key in standing(events, rules) if topic == "bought"}
    return {b" ".join(key.split(b"\0")[:-1]).decode() for key in keys}


def test_a_gap_of_thirty_minutes_still_belongs_to_the_session_and_a_longer_one_does_not() -> None:
    assert labelled(click(0, "a"), click(30, "b")) == [["c0a", "c30b"]]
    assert labelled(click(0, "a"), click(30.01, "b")) == [["c0a"], ["c30.01b"]]


def test_different_session_ids_never_share_a_session_even_when_they_alternate() -> None:
    events = [click(n, "a", session=("x", "y")[n % 2], ident=f"{n}") for n in range(4)]
    assert labelled(*events) == [["0", "2"], ["1", "3"]]


def test_one_session_id_with_a_gap_is_two_sessions() -> None:
    assert labelled(click(0, "a", session="x"), click(31, "b", session="x")) == [["c0a"], ["c31b"]]


def test_an_event_without_a_session_id_takes_that_of_the_event_before_it() -> None:
    events = [click(0, "a", session="x"), click(1, "b", session="y"), buy(2, "a")]
    assert labelled(*events) == [["c0a"], ["c1b", "p2a"]]


def test_events_without_a_session_id_at_the_start_take_the_first_that_follows() -> None:
    events = [search(0, "q"), click(1, "b"), buy(2, "a", session="x"), buy(3, "a", session="y")]
    assert labelled(*events) == [["s0q", "c1b", "p2a"], ["p3a"]]


def test_a_session_lasts_a_day_at_most() -> None:
    events = [click(20 * n, "a", ident=f"{n:02}") for n in range(74)]
    assert [len(each) for each in labelled(*events)] == [73, 1]


def test_the_last_three_different_searches_lead_to_a_purchase() -> None:
    events = [search(n, q) for n, q in enumerate(("a", "b", "a", "c", "d"))]
    assert list(led(*events, buy(9, "p"))) == ["d", "c", "a"]


def test_a_search_longer_ago_than_the_span_leads_only_while_few_clicks_are_behind_it() -> None:
    first, later = search(0, "old"), [search(20, "new"), click(40, "x")]
    few = [click(41 + n / 10, f"p{n}") for n in range(9)]
    assert list(led(first, *later, *few, buy(45, "p"))) == ["new", "old"]
    assert list(led(first, *later, *few, click(44, "y"), buy(45, "p"))) == ["new"]


def test_only_searches_of_the_same_session_lead_without_a_query_id() -> None:
    assert led(search(0, "q", session="x"), buy(1, "p", session="y")) == {}


def test_a_query_id_names_the_search_in_whatever_session() -> None:
    old = search(0, "old", query_id="i1", session="x")
    assert led(old, search(1, "new", session="y"), buy(2, "p", query_id="i1", session="y")) == {
        "old": False
    }


def test_a_query_id_of_a_click_on_the_product_names_the_search_that_led_to_it() -> None:
    events = [search(0, "old", query_id="i1"), search(1, "new", query_id="i2")]
    assert led(*events, click(2, "p", query_id="i1"), buy(3, "p")) == {"old": True}
    assert led(*events, click(2, "other", query_id="i1"), buy(3, "p")) == {
        "new": False,
        "old": False,
    }


def test_an_unknown_query_id_and_one_beyond_the_span_fall_back_to_the_last_searches() -> None:
    assert led(search(0, "q"), buy(1, "p", query_id="nobody")) == {"q": False}
    far = [search(0, "old", query_id="i1"), search(20, "new"), click(25, "x")]
    clicks = [click(26 + n / 10, f"p{n}") for n in range(10)]
    assert led(*far, *clicks, buy(31, "p", query_id="i1")) == {"new": False}


def test_a_product_counts_as_clicked_for_the_searches_before_its_last_click() -> None:
    one, two = search(0, "one"), search(2, "two")
    assert led(one, click(1, "p"), two, buy(3, "p")) == {"two": False, "one": True}
    assert led(one, click(1, "p"), two, click(2.5, "p"), buy(3, "p")) == {"two": True, "one": True}


def test_a_repeated_search_keeps_the_click_behind_its_first_time() -> None:
    again = search(2, "one", ident="again")
    assert led(search(0, "one"), click(1, "p"), again, buy(3, "p")) == {"one": True}


def test_a_search_in_the_same_millisecond_comes_before_the_purchase() -> None:
    assert led(search(1, "q", ident="zz"), buy(1, "p", ident="aa")) == {"q": False}


def test_a_purchase_with_a_click_supersedes_one_without_in_the_same_week_only() -> None:
    first = [search(0, "q"), buy(1, "p")]
    second = [search(60, "q", ident="s2"), click(61, "p"), buy(62, "p")]
    assert searched(*first, *second) == {"q c p"}
    next_week = [
        search(60 + 7 * 1440, "q", ident="s3"),
        click(61 + 7 * 1440, "p"),
        buy(62 + 7 * 1440, "p"),
    ]
    assert searched(*first, *next_week) == {"q b p", "q c p"}


def test_a_shopper_counts_once_for_each_week_in_which_a_query_was_asked() -> None:
    events = [search(0, "q"), search(500, "q"), search(7 * 1440, "q"), search(7 * 1440 + 9, "q")]
    asked = {key for topic, key in standing(events, RULES) if topic == "searched"}
    assert asked == {
        query_hash("q") + b"\0a\0" + week_key(week) for week in (week_of(NOON), week_of(NOON) + 1)
    }


def test_two_products_of_a_session_are_told_once_the_lower_id_first() -> None:
    assert bought(buy(0, "p"), buy(1, "o"), buy(99, "z")) == {
        "p b",
        "o b",
        "z b",
        "o w p",
    }


def test_a_co_purchase_over_midnight_belongs_to_the_week_of_the_later_purchase() -> None:
    to_midnight = (week_end_ms(week_of(NOON)) - NOON) / MINUTE_MS
    keys = standing([buy(to_midnight - 1, "p"), buy(to_midnight + 1, "o")], RULES)
    next_week = week_key(week_of(NOON) + 1)
    assert ("bought", b"o\0w\0p\0" + next_week) in keys
    assert ("bought", b"p\0b\0" + WEEK) in keys
    assert ("bought", b"o\0w\0p\0" + WEEK) not in keys


def test_thirty_products_of_a_basket_are_paired_whatever_is_returned() -> None:
    events: list[Event] = [buy(n / 10, f"p{n:03}") for n in range(40)]
    paired, left_out = basket_of(events, RULES)
    assert (len(paired), left_out) == (30, 10)
    pairs = {key for key in bought(*events) if " w " in key}
    assert len(pairs) == 30 * 29 // 2
    assert {key.split()[place] for key in pairs for place in (0, 2)} == paired
    gone = sorted(paired)[0]
    after = {key for key in bought(*events, give_back(60, gone)) if " w " in key}
    assert after == {key for key in pairs if gone not in key.split()}


def test_a_return_takes_back_the_latest_purchase_that_is_still_there() -> None:
    events = [search(0, "one"), buy(1, "p"), search(100, "two"), buy(101, "p")]
    assert searched(*events) == {"one b p", "two b p"}
    assert searched(*events, give_back(200, "p")) == {"one b p"}
    assert searched(*events, give_back(200, "p"), give_back(300, "p")) == set()
    assert searched(*events, give_back(50, "p")) == {"two b p"}


def test_a_return_that_names_an_order_takes_nothing_of_another() -> None:
    events = [search(0, "one"), buy(1, "p", order="o1"), buy(2, "p", order="o2")]
    assert bought(*events, give_back(5, "p", order="o3")) == {"p b"}
    assert bought(*events, give_back(5, "p", order="o1"), give_back(6, "p", order="o2")) == set()


def test_a_key_stays_while_another_purchase_stands_for_it() -> None:
    events = [buy(0, "p"), buy(1, "o"), buy(2, "p")]
    assert bought(*events, give_back(9, "p")) == {"p b", "o b", "o w p"}
    assert bought(*events, give_back(9, "p"), give_back(10, "p")) == {"o b"}


def test_a_purchase_can_be_returned_until_the_days_after_its_week_are_over() -> None:
    last_minute = (week_end_ms(week_of(NOON)) + RULES.keep_ms - NOON) / MINUTE_MS
    assert bought(buy(0, "p"), give_back(last_minute, "p")) == set()
    assert bought(buy(0, "p"), give_back(last_minute + 1, "p")) == {"p b"}


def test_of_a_minute_only_so_many_searches_and_clicks_are_used_whatever_their_order() -> None:
    rules = WindowSettings(minute_events=5)
    events: list[Event] = [click(n / 1000, "p", ident=f"e{n}") for n in range(50)]
    used = uncapped([*events, buy(0, "p")], rules)
    assert len(used) == 6
    assert used == uncapped([buy(0, "p"), *reversed(events)], rules)


def test_a_setting_that_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="gap_ms"):
        WindowSettings(gap_ms=-1)
    with pytest.raises(SettingsError, match="searches is 0"):
        WindowSettings(searches=0)


def test_the_defaults_are_those_of_the_design() -> None:
    assert RULES.gap_ms == RULES.span_ms == 30 * MINUTE_MS
    assert (RULES.basket, RULES.searches, RULES.clicks) == (30, 3, 10)
    assert (RULES.keep_ms, RULES.future_ms) == (90 * DAY_MS, HOUR_MS)
    assert WEEK_MS == 7 * DAY_MS
