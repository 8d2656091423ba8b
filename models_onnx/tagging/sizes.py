"""Sizes and quantities as they are written."""

import random

from models_onnx.tagging.lexicon import writing

NUMBERS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 48, 60)


def phrase(rng: random.Random, kind: str) -> str:
    """One size of `kind`, a key of the table `sizes`; each %d becomes a number."""
    form = rng.choice(writing("sizes")[kind])
    while "%d" in form:
        form = form.replace("%d", str(rng.choice(NUMBERS)), 1)
    return form
