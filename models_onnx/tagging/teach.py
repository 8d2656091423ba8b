"""Teachers: deep encoders trained on the same corpus, which then label any text for a small one.

Two encoders of twelve layers, averaged, are better than either, and what they say of unlabelled
and recombined texts carries more than the labels alone (measured: see the bundle's card).
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models_onnx.labels import bio_labels
from models_onnx.spans import Text
from models_onnx.tagging import data
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.lessons import KEPT, Batch, Desk, Lesson, Soft, side_by_side
from models_onnx.tagging.model import TaggerModel
from models_onnx.tokens import Encoded, Tokens
from models_onnx.training import sources, vocabulary
from models_onnx.training.encoder import fill
from models_onnx.training.fit import Plan, collate, fit

MAX_TOKENS = 64
MASKED_SHARE = 0.05
TYPE_WEIGHT = 0.3
"""Of the type's loss, beside that of a word's label."""


class Chair(NamedTuple):
    """A teacher to be: its encoder, and whether it is trained on texts that people labelled alone.

    Those are few beside catalogs and generated texts. A teacher of theirs alone is better on them,
    and is asked about texts like them alone.
    """

    encoder: str
    by_hand: bool = False

    @property
    def name(self) -> str:
        return f"{self.encoder}-{'hand' if self.by_hand else 'all'}"


CHAIRS = (
    Chair("e5-small-v2"),
    Chair("bge-small-en-v1.5"),
    Chair("e5-small-v2", by_hand=True),
)
EPOCHS = 6
BY_HAND = {"query-ner": 1, "oa-mine": 2}
"""Sets that people labelled, and how often a teacher of these alone sees them in an epoch."""

_ASKED_AT_ONCE = 48

Floats = npt.NDArray[np.float32]

log = logging.getLogger(__name__)


class Teacher:
    """A trained deep model with its tokeniser; `by_hand`: see `Chair`."""

    def __init__(self, model: TaggerModel, tokens: Tokens, *, by_hand: bool = False) -> None:
        self.model = model.eval()
        self.by_hand = by_hand
        self._tokens = tokens

    def chances(self, texts: Sequence[Text]) -> Iterator[tuple[int, Floats, Floats]]:
        """(number of the text, label chances [words, labels], type chances [types]), any order."""
        found = [self._tokens.encode_text(text) for text in texts]
        order = sorted(range(len(found)), key=lambda i: len(found[i].ids))
        for start in range(0, len(order), _ASKED_AT_ONCE):
            part = order[start : start + _ASKED_AT_ONCE]
            labels, types = self._ask([found[i] for i in part])
            for line, number in enumerate(part):
                firsts = [first for first, _, _ in found[number].words]
                yield number, labels[line, firsts], types[line]

    def _ask(self, found: Sequence[Encoded]) -> tuple[Floats, Floats]:
        ids, mask, types, _ = collate([(one.ids, one.types, []) for one in found])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            labels, nodes = self.model(ids, mask, types)
        return labels.float().softmax(-1).numpy(), nodes.float().softmax(-1).numpy()


def train(chair: Chair, corpus: data.Corpus, *, epochs: int = EPOCHS, seed: int = 0) -> Teacher:
    """A teacher for the chair."""
    torch.manual_seed(seed)
    source = sources.load(chair.encoder)
    tokenizer = vocabulary.whole(source.tokenizer)
    tokens = Tokens(tokenizer, max_tokens=MAX_TOKENS)
    slugs = corpus.table.slugs()
    words = tokenizer.get_vocab_size()
    model = TaggerModel(words, source.layers, len(bio_labels()), len(slugs), drop=0.15)
    fill(model.encoder, source.weights, range(words))
    rng = np.random.default_rng(seed)
    desk = Desk(tokens, slugs, rng)
    size = 64
    steps = epochs * (len(_rows(chair, corpus, 1)) // size)
    log.info("teacher %s: %d steps", chair.name, steps)
    fit(
        model,
        (
            [desk.lesson(row) for row in _rows(chair, corpus, number)]
            for number in range(1, epochs + 1)
        ),
        Plan(steps, rate=3e-4, above=4, decay=0.9, size=size, warm_up=0.08, seed=seed),
        lambda lessons: loss_of(model, lessons, vocabulary.mask_id(tokenizer), rng),
        lambda lesson: len(lesson.ids),
    )
    return Teacher(model, tokens, by_hand=chair.by_hand)


def _rows(chair: Chair, corpus: data.Corpus, epoch: int) -> list[Labelled]:
    if not chair.by_hand:
        return data.epoch(corpus, epoch)
    return [row for name, times in BY_HAND.items() for row in corpus.train[name] * times]


def loss_of(
    model: TaggerModel, lessons: Sequence[Lesson], mask_id: int, rng: np.random.Generator
) -> torch.Tensor:
    """Cross-entropy of labels and types; some words are masked so that context carries weight."""
    batch = side_by_side(lessons, model.head.out_features, model.type_head.out_features)
    with torch.autocast("cpu", torch.bfloat16):
        labels, nodes = model(_masked(batch, mask_id, rng), batch.mask, batch.types)
    loss = functional.cross_entropy(labels[batch.line, batch.place].float(), batch.labels)
    if len(batch.typed):
        typed = functional.cross_entropy(nodes[batch.typed].float(), batch.nodes)
        loss = typed * TYPE_WEIGHT + (loss if len(batch.line) else 0.0)
    return loss


def _masked(batch: Batch, mask_id: int, rng: np.random.Generator) -> torch.Tensor:
    """The ids, some of those of labelled words replaced by the mask."""
    hide = (rng.random(len(batch.line)) < MASKED_SHARE) & (batch.labels[:, 0].numpy() < 0.5)
    ids = batch.ids.clone()
    ids[batch.line[hide], batch.place[hide]] = mask_id
    return ids


def soften(
    teachers: Sequence[Teacher], texts: Sequence[Text], by_hand: Collection[Text] = ()
) -> dict[Text, Soft]:
    """What the teachers say of each text, averaged; those `by_hand` are asked of these alone."""
    answers: dict[Text, tuple[Floats, Floats]] = {}
    for teacher in teachers:
        asked = list(dict.fromkeys(by_hand if teacher.by_hand else texts))
        for number, labels, types in teacher.chances(asked):
            if before := answers.get(asked[number]):
                labels, types = before[0] + labels, before[1] + types
            answers[asked[number]] = (labels, types)
    return {text: _kept(labels, types) for text, (labels, types) in answers.items()}


def _kept(labels: Floats, types: Floats) -> Soft:
    columns = np.argsort(-labels, axis=-1)[:, :KEPT]
    chances = np.take_along_axis(labels, columns, axis=-1)
    chances /= chances.sum(-1, keepdims=True)
    nodes = np.argsort(-types)[:KEPT]
    said = types[nodes] / types[nodes].sum()
    return Soft(
        columns.astype(np.int16),
        chances.astype(np.float16),
        nodes.astype(np.int16),
        said.astype(np.float16),
    )


def save(teacher: Teacher, path: Path) -> None:
    """Write a teacher's weights, but not its word embeddings: `sources` has them."""
    state = {k: v for k, v in teacher.model.state_dict().items() if k != "encoder.words.weight"}
    torch.save(state, path)


def load(chair: Chair, path: Path, slugs: Sequence[str]) -> Teacher:
    """The teacher that `save` wrote."""
    source = sources.load(chair.encoder)
    tokenizer = vocabulary.whole(source.tokenizer)
    words = tokenizer.get_vocab_size()
    model = TaggerModel(words, source.layers, len(bio_labels()), len(slugs))
    fill(model.encoder, source.weights, range(words))
    state: Mapping[str, torch.Tensor] = torch.load(path, weights_only=True)
    model.load_state_dict({**model.state_dict(), **state})
    tokens = Tokens(tokenizer, max_tokens=MAX_TOKENS)
    return Teacher(model, tokens, by_hand=chair.by_hand)
