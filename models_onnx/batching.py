"""Which texts share a call to the model, and how their arrays are laid out.

On CPU every text goes alone and unpadded: dynamic int8 quantisation takes its scale from the whole
array, so a neighbour would change the answer. On a GPU shapes are fixed: rows are padded to one of
WIDTHS and calls to one of HEIGHTS, so that few shapes occur and each can be warmed up.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from models_onnx.errors import ShapeError
from models_onnx.tokens import Encoded

Ids = npt.NDArray[np.int32]

WIDTHS = (16, 24, 32, 48, 64, 96, 128)
HEIGHTS = (1, 16, 64, 256, 1024)


class Batch(msgspec.Struct, frozen=True):
    """Texts that go together: `rows` are indices into the list given, padded to height x width."""

    rows: tuple[int, ...]
    height: int
    width: int


def alone(lengths: Sequence[int]) -> list[Batch]:
    """One unpadded text a call, in order."""
    return [Batch((row,), 1, length) for row, length in enumerate(lengths)]


def fixed(lengths: Sequence[int], *, token_budget: int = 131_072) -> list[Batch]:
    """Calls of fixed shapes, at most `token_budget` padded tokens each; every row exactly once.

    Raises:
        ShapeError: a text is longer than the widest shape, or the budget below one row of it.
    """
    if token_budget < WIDTHS[-1]:
        raise ShapeError(f"token budget {token_budget} is below one row of {WIDTHS[-1]}")
    by_width: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        width = next((w for w in WIDTHS if length <= w), None)
        if width is None:
            raise ShapeError(f"text of {length} tokens is longer than {WIDTHS[-1]}")
        by_width.setdefault(width, []).append(row)
    batches = []
    for width, rows in sorted(by_width.items()):
        most = max(h for h in HEIGHTS if h * width <= token_budget)
        for start in range(0, len(rows), most):
            part = tuple(rows[start : start + most])
            height = next(h for h in HEIGHTS if h >= len(part))
            batches.append(Batch(part, height, width))
    return batches


def arrays(batch: Batch, texts: Sequence[Encoded], *, pad: int) -> tuple[Ids, Ids, Ids]:
    """Ids, mask and token types of a batch, int32 [height, width] each, padded on the right.

    Rows without a text repeat the first one, so that no row is all padding.
    """
    ids = np.full((batch.height, batch.width), pad, np.int32)
    mask = np.zeros((batch.height, batch.width), np.int32)
    types = np.zeros((batch.height, batch.width), np.int32)
    for line in range(batch.height):
        text = texts[batch.rows[line] if line < len(batch.rows) else batch.rows[0]]
        length = len(text.ids)
        ids[line, :length] = text.ids
        mask[line, :length] = 1
        types[line, :length] = text.types
    return ids, mask, types
