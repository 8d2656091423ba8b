"""A score to a verdict."""

import math

from models_onnx.errors import BundleError
from models_onnx.spans import HELD, Judged


def decide(score: float, *, accept: float, reject: float) -> Judged:
    """Accepted from `accept` on, rejected below `reject`, held between them.

    A score that is no number, or outside 0..1, says nothing: held.
    """
    if not math.isfinite(score) or not 0.0 <= score <= 1.0:
        return HELD
    score = round(score, 4)
    if score >= accept:
        return Judged(score, "accepted")
    return Judged(score, "rejected" if score < reject else "held")


def check_thresholds(*, accept: float, reject: float) -> None:
    """Refuse thresholds that leave no order between the verdicts.

    Raises:
        BundleError: not 0 <= reject <= accept <= 1.
    """
    if not 0.0 <= reject <= accept <= 1.0:
        raise BundleError(
            f"thresholds reject {reject}, accept {accept}: want 0 <= reject <= accept <= 1; "
            "export the bundle anew"
        )
