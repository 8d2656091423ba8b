"""Why a worker is not ready, in codes and words."""

from streams.kafka.lease import Lease
from streams.process.probes import CODES
from streams.process.status import Recovering, Status, read, write
from streams.worker.runs import catching_up, not_ready


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


def test_partitions_that_are_restored_are_told_with_their_progress():
    coming = (
        Recovering(0, "checkpoint", 1_000, 4_000),
        Recovering(1, "checkpoint", 500, 2_000),
        Recovering(2, "checkpoint", 9_000, 9_000, behind=12),
        Recovering(3, "log", behind=3_000),
    )
    assert codes(held=2, assigned=4, recovering=coming) == ["opening", "recovering"]
    said = not_ready(lease(True), is_rebalancing=False, held=2, assigned=4, recovering=coming)
    assert "2 partitions" in said[1].words
    assert "1,500 of 6,000 bytes" in said[1].words
    assert codes(held=4, assigned=4, recovering=coming[2:]) == [], "they are open, and read"


def test_open_partitions_that_read_again_are_no_reason_and_are_told():
    (said,) = catching_up((Recovering(2, "checkpoint", behind=12), Recovering(3, "log", behind=30)))
    assert said.code in CODES
    assert "2 partitions" in said.words
    assert "42 records" in said.words
    assert catching_up((Recovering(0, "checkpoint", 1_000, 4_000),)) == ()


def test_the_status_file_has_the_same_reasons(tmp_path):
    reasons = not_ready(lease(False), is_rebalancing=False, held=1, assigned=2)
    write(tmp_path / "x.json", Status(stage="graph", slot=0, pid=1, reasons=reasons))
    told = read(tmp_path / "x.json")
    assert told is not None
    assert told.reasons == reasons
