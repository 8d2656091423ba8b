import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx.cleaning.decide import check_thresholds, decide
from models_onnx.errors import BundleError
from models_onnx.spans import HELD

unit = st.floats(0, 1)


@given(unit, unit, st.tuples(unit, unit).map(sorted))
def test_a_higher_score_never_has_a_worse_verdict(a, b, limits):
    order = ["rejected", "held", "accepted"]
    low, high = sorted((a, b))
    reject, accept = limits
    worse = decide(low, accept=accept, reject=reject).verdict
    better = decide(high, accept=accept, reject=reject).verdict
    assert order.index(worse) <= order.index(better)


def test_thresholds_belong_to_accepted_and_to_held():
    assert decide(0.8, accept=0.8, reject=0.2).verdict == "accepted"
    assert decide(0.2, accept=0.8, reject=0.2).verdict == "held"
    assert decide(0.1999, accept=0.8, reject=0.2).verdict == "rejected"


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.1, 1.5])
def test_a_score_that_is_none_is_held(score):
    assert decide(score, accept=0.0, reject=0.0) == HELD


@pytest.mark.parametrize(
    ("accept", "reject"), [(0.2, 0.8), (1.1, 0.1), (0.5, -0.1), (math.nan, 0.1)]
)
def test_thresholds_out_of_order_are_refused(accept, reject):
    with pytest.raises(BundleError):
        check_thresholds(accept=accept, reject=reject)
