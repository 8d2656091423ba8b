"""Why a worker is not ready, in codes and words."""

from streams.lease import Lease
from streams.probes import CODES
from streams.runs import not_ready
from streams.status import Status, read, write


def lease(good: bool) -> Lease:
    made = Lease(10.0, clock=lambda: 100.0)
    if good:
        made.renew(100.0)
    return made


def codes(**said) -> list[str]:
    told = {"is_rebalancing": False, "held": 2, "assigned": 2, **said}
    reasons = not_ready(lease(told.pop("good", True)), **told)
    assert all(each.code in CODES and each.words for each in reasons)
    return [each.code for each in reasons]


def test_every_reason_is_told_and_none_when_all_is_well():
    assert codes() == []
    assert codes(assigned=None) == ["unassigned"]
    assert codes(good=False) == ["broker"]
    assert codes(is_rebalancing=True, held=0) == ["rebalancing", "opening"]
    assert codes(held=0, assigned=0) == [], "more workers than partitions: nothing to do is ready"
    assert "1 of 2" in not_ready(lease(True), is_rebalancing=False, held=1, assigned=2)[0].words


def test_the_status_file_has_the_same_reasons(tmp_path):
    reasons = not_ready(lease(False), is_rebalancing=False, held=1, assigned=2)
    write(tmp_path / "x.json", Status(stage="graph", slot=0, pid=1, reasons=reasons))
    told = read(tmp_path / "x.json")
    assert told is not None
    assert told.reasons == reasons
