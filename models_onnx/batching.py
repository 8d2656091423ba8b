"""Which texts share a call to the model, and how their arrays are laid out.

On CPU every text goes alone and unpadded: dynamic int8 quantisation takes its scale from the whole
array, so a neighbour would change the answer. On a GPU shapes are fixed: rows are padded to one of
WIDTHS and calls to one of HEIGHTS, so that few shapes occur and each can be warmed up.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from models_onnx.errors import ShapeError
from models_onnx.tokens import Encoded

Ids = npt.NDArray[np.int32]

WIDTHS = (16, 24, 32, 48, 64, 96, 128)
HEIGHTS = (1, 16, 64, 256, 1024)
TOKEN_BUDGET = 131_072
"""Padded tokens of one call on a GPU, as in research on text-embeddings-inference: what one takes
of memory is bounded, and a call is long enough to hide what it costs to start one."""


class Batch(msgspec.Struct, frozen=True):
    """Texts that go together: `rows` are indices into the list given, padded to height x width."""

    rows: tuple[int, ...]
    height: int
    width: int


def alone(lengths: Sequence[int]) -> list[Batch]:
    """One unpadded text a call, in order."""
    return [Batch((row,), 1, length) for row, length in enumerate(lengths)]


def fixed(lengths: Sequence[int], *, token_budget: int = TOKEN_BUDGET) -> list[Batch]:
    """Calls of fixed shapes, at most `token_budget` padded tokens each; every row exactly once.

    A budget below one row makes calls of one row.

    Raises:
        ShapeError: a text is longer than the widest shape, or the budget is below 1.
    """
    if token_budget < 1:
        raise ShapeError(f"token budget {token_budget} leaves no room for a text")
    by_width: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_width.setdefault(width_of(length), []).append(row)
    batches = []
    for width, rows in sorted(by_width.items()):
        most = max((h for h in HEIGHTS if h * width <= token_budget), default=HEIGHTS[0])
        for start in range(0, len(rows), most):
            part = tuple(rows[start : start + most])
            height = next(h for h in HEIGHTS if h >= len(part))
            batches.append(Batch(part, height, width))
    return batches


def width_of(length: int) -> int:
    """The narrowest of WIDTHS that takes a text of `length` tokens.

    Raises:
        ShapeError: it is longer than the widest.
    """
    for width in WIDTHS:
        if length <= width:
            return width
    raise ShapeError(f"text of {length} tokens is longer than {WIDTHS[-1]}: lower max_tokens")


def shapes(longest: int, *, token_budget: int = TOKEN_BUDGET) -> Iterator[tuple[int, int]]:
    """Every (height, width) that `fixed` gives for texts of up to `longest` tokens."""
    for width in WIDTHS[: WIDTHS.index(width_of(longest)) + 1]:
        for height in HEIGHTS:
            if height == HEIGHTS[0] or height * width <= token_budget:
                yield height, width


def arrays(batch: Batch, texts: Sequence[Encoded], *, pad: int) -> tuple[Ids, Ids, Ids]:
    """Ids, mask and token types of a batch, int32 [height, width] each, padded on the right.

    Rows without a text repeat the first one, so that no row is all padding.
    """
    ids = np.full((batch.height, batch.width), pad, np.int32)
    mask = np.zeros((batch.height, batch.width), np.int32)
    types = np.zeros((batch.height, batch.width), np.int32)
    for line, row in enumerate(batch.rows):
        text = texts[row]
        length = len(text.ids)
        ids[line, :length] = text.ids
        mask[line, :length] = 1
        types[line, :length] = text.types
    empty = slice(len(batch.rows), batch.height)
    for array in (ids, mask, types):
        array[empty] = array[0]
    return ids, mask, types
