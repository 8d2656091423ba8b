"""What the cleaner is trained on and measured on, made of a small shop."""

import numpy as np
import pytest

from models_onnx.cleaning import evaluate, planting, plausibility
from models_onnx.cleaning.corrupt import MEASURED_KINDS, TRAINED_KINDS
from models_onnx.cleaning.data import Epochs
from models_onnx.spans import Judged

from .claims import small

CLAIMS = small()


@pytest.fixture(scope="module")
def sets():
    return planting.plant(CLAIMS)


def test_kinds_that_are_only_measured_are_never_trained_on():
    epochs = Epochs(CLAIMS)
    kinds = {p.kind for n in range(3) for p in epochs.pairs(n, size=2000) if p.claim.text}
    assert kinds - {"other tail", "reversed", ""} <= set(TRAINED_KINDS)
    assert not kinds & set(MEASURED_KINDS)


def test_an_epoch_is_the_same_in_every_run_and_another_one_is_another():
    epochs = Epochs(CLAIMS)
    assert epochs.pairs(1, size=300) == Epochs(CLAIMS).pairs(1, size=300)
    assert epochs.pairs(1, size=300) != epochs.pairs(2, size=300)


def test_about_half_of_an_epoch_is_right():
    pairs = Epochs(CLAIMS).pairs(1, size=2000)
    assert 0.4 < sum(p.right for p in pairs) / len(pairs) < 0.6


def test_judged_claims_of_the_validation_part_are_never_trained_on():
    heads = {j.head for j in CLAIMS.judged["impakt"] if j.for_validation}
    assert heads
    shown = {t for p in Epochs(CLAIMS).pairs(1, size=4000) for t in (p.claim.type, p.claim.text)}
    assert not heads & shown


def test_a_tenth_is_planted_and_what_was_right_is_kept_beside(sets):
    for name in ("oa-mine", "icecat-catalog"):
        planted = sets[name]
        wrong = [(r, p) for r, p in zip(planted.right, planted.pairs, strict=True) if not p.right]
        assert 0.05 < len(wrong) / len(planted.pairs) < 0.15
        assert all(r != p.claim and p.kind for r, p in wrong)
        rest = [(r, p) for r, p in zip(planted.right, planted.pairs, strict=True) if p.right]
        assert all(r == p.claim and not p.kind for r, p in rest)


def test_each_kind_alone_is_a_tenth_of_all(sets):
    planted = sets["oa-mine"]
    assert {"swap", "attribute", "number", "unit", "maker", "cut", "placeholder"} <= set(
        planted.alone
    )
    for kind, made in planted.alone.items():
        assert {p.kind for p in made} == {kind}
        assert len(made) / (len(made) + len(planted.right)) <= planting.PLANTED_SHARE + 1e-3


def test_judged_claims_stand_beside_four_wrong_ones_and_their_reverse():
    pairs = planting.judged(CLAIMS)["impakt"]
    assert sum(p.right for p in pairs) * 6 == len(pairs)


class Knowing:
    """Answers by the truth, or by a constant where it is not to know."""

    def __init__(self, sets, judged, *, knows=True):
        alone = [p for s in sets.values() for made in s.alone.values() for p in made]
        every = [*alone, *(p for s in sets.values() for p in s.pairs)]
        self._right = {p.claim: p.right for p in (*every, *judged)}
        self._knows = knows

    def judge(self, claims):
        return [Judged(0.9 if self._knows and self._right[c] else 0.1, "held") for c in claims]


def test_who_knows_everything_has_full_marks_and_who_knows_nothing_has_the_share(sets):
    judged = planting.judged(CLAIMS)["impakt"]
    figures, answered = evaluate.measure_all(Knowing(sets, judged), CLAIMS)
    assert figures["icecat-catalog"]["r_at_p90"]["value"] == 1.0
    assert {k["value"] for k in figures["icecat-catalog"]["kinds"].values()} == {1.0}
    assert set(answered) == set(CLAIMS.validation)
    dull, _ = evaluate.measure_all(Knowing(sets, judged, knows=False), CLAIMS)
    f = dull["oa-mine"]
    assert f["ap"]["value"] == pytest.approx(f["wrong"] / f["claims"], abs=1e-3)
    assert f["r_at_p90"]["value"] == 0.0
    lines = "\n".join(evaluate.report(figures))
    assert "not trained on" in lines
    assert evaluate.brief(figures)["oa-mine"]["ap"] == "1.000 [1.000, 1.000]"


def test_thresholds_hold_their_precision_and_verdicts_never_go_against_the_score(sets):
    pairs = sets["oa-mine"].pairs
    rng = np.random.default_rng(0)
    scores = np.array([0.6 * p.right for p in pairs]) + 0.5 * rng.random(len(pairs))
    bare = sets["fitting"].pairs
    answered = [Judged(float(s), "held") for s in scores.clip(0, 1)]
    unsure = [Judged(0.5, "held")] * len(bare)
    found = evaluate.choose_thresholds({"a": (pairs, answered), "b": (bare, unsure)})
    assert found["reject"] <= 0.5 <= found["accept"]
    right = np.array([p.right for p in pairs])[::2]
    accepted = scores.clip(0, 1)[::2] >= found["accept"]
    assert right[accepted].mean() >= evaluate.ACCEPT_PRECISION
    assert (found["accept_without_text"], found["reject_without_text"]) == (1.0, 0.0)
    verdicts = {a.verdict for a in evaluate.decided(pairs, answered, found)}
    assert verdicts == {"accepted", "held", "rejected"}
    assert {a.verdict for a in evaluate.decided(bare, unsure, found)} == {"held"}


def test_judged_sets_are_measured_with_their_kinds(sets):
    judged = planting.judged(CLAIMS)["impakt"]
    perfect = np.array([float(p.right) for p in judged])
    figures = plausibility.measure_set(judged, perfect, 1 - perfect)
    assert figures["pr_auc"]["value"] == 1.0
    assert figures["gain"]["value"] > 0.7
    assert set(figures["kinds"]) == {"other tail", "reversed"}
    assert "impakt" in "\n".join(plausibility.report({"impakt": figures}))
