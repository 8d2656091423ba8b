"""What a model is shown of one text: its tokens, and what each word and the whole should be.

A lesson's answers are chances over labels and types, from people, from catalogs, from teachers, or
mixed of these.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models_onnx.labels import bio_labels
from models_onnx.spans import Text
from models_onnx.tagging.examples import IGNORED, Labelled, word_labels
from models_onnx.tokens import Tokens
from models_onnx.training.fit import collate

Chances = npt.NDArray[np.float16]

TRUST, TRUST_TYPE = 0.5, 0.9
"""Weight of what people or catalogs say of a text's words, and of its type, where a teacher was
asked too: of rare types teachers know little."""

KEPT = 6
"""How many of a teacher's chances are kept, the highest; they are made to add up to one."""


class Soft(NamedTuple):
    """A teacher's answer to one text.

    `labels` [words, KEPT] and `label_chances` are columns of labels and their chances; `types`
    [KEPT] and `type_chances` the same of product types.
    """

    labels: npt.NDArray[np.int16]
    label_chances: Chances
    types: npt.NDArray[np.int16]
    type_chances: Chances


class Lesson(NamedTuple):
    """One text as the model sees it.

    `firsts` are the places of the words' first tokens; `labels` their columns and `node` the
    type's, `IGNORED` where nobody said; `soft` is what teachers say.
    """

    ids: list[int]
    types: list[int]
    firsts: list[int]
    labels: list[int]
    node: int
    soft: Soft | None


class Desk:
    """Makes lessons of labelled texts."""

    def __init__(self, tokens: Tokens, slugs: Sequence[str], rng: np.random.Generator) -> None:
        self._tokens = tokens
        self._rng = rng
        self._column = {label: i for i, label in enumerate(bio_labels())}
        self._node = {slug: i for i, slug in enumerate(slugs)}

    def lesson(
        self,
        row: Labelled,
        *,
        typed: float = 0.5,
        soft: Callable[[Text], Soft | None] = lambda _: None,
    ) -> Lesson:
        """The lesson of a row, whose type is told with chance `typed`; then it is not asked."""
        kind = row.type if self._rng.random() < typed else ""
        text = Text(row.text, row.kind, kind)
        found = self._tokens.encode_text(text)
        labels = []
        for label in word_labels(row, found, self._column):
            unknown = label == 0 and row.doubt and self._rng.random() < row.doubt
            labels.append(IGNORED if unknown else label)
        node = IGNORED if row.node is None or (kind and not row.node) else self._node[row.node]
        firsts = [first for first, _, _ in found.words]
        return Lesson(found.ids, found.types, firsts, labels, node, soft(text))


class Batch(NamedTuple):
    """Lessons side by side.

    `ids`, `mask`, `types` [rows, tokens]; `line`, `place` [words] say where each asked word is,
    `labels` [words, labels] what its chances are; `typed` [n] which rows' type is asked, `nodes`
    [n, types] what the chances are.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    types: torch.Tensor
    line: torch.Tensor
    place: torch.Tensor
    labels: torch.Tensor
    typed: torch.Tensor
    nodes: torch.Tensor


def side_by_side(lessons: Sequence[Lesson], labels: int, types: int) -> Batch:
    """A batch of lessons, for `labels` label columns and `types` type columns."""
    ids, mask, token_types, _ = collate([(one.ids, one.types, []) for one in lessons])
    line, place, wanted = [], [], []
    typed, nodes = [], []
    for number, one in enumerate(lessons):
        for word, (first, label) in enumerate(zip(one.firsts, one.labels, strict=True)):
            soft = one.soft is not None and word < len(one.soft.labels)
            if label == IGNORED and not soft:
                continue
            target = np.zeros(labels, np.float32)
            if one.soft is not None and soft:
                target[one.soft.labels[word]] = one.soft.label_chances[word]
            line.append(number)
            place.append(first)
            wanted.append(_mixed(target, label, TRUST if soft else 1.0))
        if one.node != IGNORED or one.soft is not None:
            target = np.zeros(types, np.float32)
            if one.soft is not None:
                target[one.soft.types] = one.soft.type_chances
            typed.append(number)
            nodes.append(_mixed(target, one.node, TRUST_TYPE if one.soft is not None else 1.0))
    return Batch(
        ids,
        mask,
        token_types,
        torch.tensor(line, dtype=torch.long),
        torch.tensor(place, dtype=torch.long),
        torch.from_numpy(np.stack(wanted) if wanted else np.zeros((0, labels), np.float32)),
        torch.tensor(typed, dtype=torch.long),
        torch.from_numpy(np.stack(nodes) if nodes else np.zeros((0, types), np.float32)),
    )


def _mixed(target: npt.NDArray[np.float32], column: int, trust: float) -> npt.NDArray[np.float32]:
    """`target` as a teacher gave it, or zeros with a `trust` of 1, and what people say of it."""
    if column != IGNORED:
        target *= 1 - trust
        target[column] += trust
    return target
