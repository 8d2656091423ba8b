"""When a replay is done: at rest, or keeping up with a shop that goes on."""

from streams.control.generations import Generation
from streams.replay.watch import Watch
from streams.settings import Settings
from streams.worker.lag import Lag
from streams.worker.supervisor import Slot, Supervisor

SETTINGS = Settings()


def watch(**told: object) -> Watch:
    supervisor = Supervisor(SETTINGS, [Slot("shoppers", 0)])
    return Watch(SETTINGS, Generation(name="g", **told), supervisor, lags(0, 100))  # type: ignore[arg-type]


def lags(read: int, end: int, facts_behind: int = 0) -> list[Lag]:
    return [
        Lag("shoppers", "graph.events", read, end),
        Lag("graph", "graph.g.claims", read, read + facts_behind),
    ]


def looks(found: Watch, *told: tuple[list[Lag], bool]) -> list[bool]:
    done = []
    for now, rests in told:
        found.look(now, rests=rests)
        done.append(found.is_done)
    return done


def test_it_is_done_once_nothing_has_moved_for_some_looks():
    assert looks(watch(), *[(lags(100, 100), True)] * 4) == [False, False, False, True]


def test_what_is_read_but_not_yet_told_or_scored_is_waited_for_however_long():
    assert not any(looks(watch(), *[(lags(100, 100), False)] * 50))
    assert not any(looks(watch(), *[(lags(100, 100, facts_behind=3), True)] * 50))


def test_beside_a_shop_that_goes_on_it_is_done_when_it_keeps_up():
    following = [(lags(100 + 10 * n - 3, 100 + 10 * n), False) for n in range(20)]
    assert looks(watch(), *following)[-1]
    falling_behind = [(lags(100 + 5 * n, 200 + 10 * n), False) for n in range(40)]
    assert not any(looks(watch(), *falling_behind))


def test_one_with_an_end_is_done_only_at_rest():
    following = [(lags(100 + 10 * n - 3, 100 + 10 * n), False) for n in range(20)]
    assert not any(looks(watch(ends={"events": {0: 90}}), *following))
