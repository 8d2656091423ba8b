"""Train the tagger: a small model, taught by deep ones.

The student is the first five layers of MiniLM-L6, with a vocabulary cut to what shops write. It
sees the labelled rows, recombined ones, and unlabelled texts, each with what the teachers say.
"""

import json
import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from tokenizers import Tokenizer

from models_onnx.labels import bio_labels
from models_onnx.spans import Text
from models_onnx.tagging import data, teach, unlabelled
from models_onnx.tagging.examples import Labelled
from models_onnx.tagging.lessons import Desk, Lesson, Soft
from models_onnx.tagging.model import TaggerModel
from models_onnx.tagging.recombine import RECOMBINED, Recombiner
from models_onnx.tagging.teach import BY_HAND, MAX_TOKENS, Chair, Teacher
from models_onnx.tokens import Tokens
from models_onnx.training import sources, vocabulary
from models_onnx.training.encoder import fill
from models_onnx.training.fit import Plan, fit

CHECKPOINT_FILE = "checkpoint.pt"
TOKENIZER_FILE = "tokenizer.json"
_STUDENT = "minilm-l6"

log = logging.getLogger(__name__)


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything.

    Attributes:
        teachers: who teaches; none: the student learns from labels alone.
        teacher_epochs: how often they see the corpus.
        epochs: how often the student does.
        layers: of the student.
        recombined: texts made of each hand-labelled set's, by set.
        unlabelled: texts at most of each set without labels.
        an_epoch: how many of those two an epoch shows.
        seed: of everything random.
    """

    teachers: tuple[Chair, ...] = teach.CHAIRS
    teacher_epochs: int = teach.EPOCHS
    epochs: int = 12
    layers: int = 5
    recombined: dict[str, int] = msgspec.field(
        default_factory=lambda: {"query-ner": 40_000, "oa-mine": 24_000}
    )
    unlabelled: int = 6_000
    an_epoch: int = 20_000
    rate: float = 5e-4
    size: int = 64
    seed: int = 0


SMOKE = Recipe(
    teachers=(), epochs=1, layers=1, recombined={"query-ner": 100}, unlabelled=50, an_epoch=100
)
"""Trains in seconds and shows that everything fits together; its model is of no use."""


class Trained(NamedTuple):
    """A model, and its tokeniser as JSON."""

    model: TaggerModel
    tokenizer: str


def more_texts(corpus: data.Corpus, folder: Path, recipe: Recipe) -> list[Labelled]:
    """Texts whose labels only teachers know."""
    rng = random.Random(recipe.seed)  # noqa: S311 - training data, not secrets
    rows = unlabelled.read(folder, most=recipe.unlabelled, seed=recipe.seed)
    for source, count in recipe.recombined.items():
        rows += Recombiner(corpus.train[source], rng, corpus.brands).make(count)
    return [msgspec.structs.replace(row, doubt=1.0) for row in rows]


def teachers_of(corpus: data.Corpus, recipe: Recipe, folder: Path) -> list[Teacher]:
    """The recipe's teachers, trained, or read from `folder` where they were written before."""
    found = []
    for seed, chair in enumerate(recipe.teachers):
        path = folder / f"teacher-{chair.name}.pt"
        if path.exists():
            log.info("teacher %s: from %s", chair.name, path)
            found.append(teach.load(chair, path, corpus.table.slugs()))
            continue
        teacher = teach.train(chair, corpus, epochs=recipe.teacher_epochs, seed=recipe.seed + seed)
        teach.save(teacher, path)
        found.append(teacher)
    return found


def train(
    corpus: data.Corpus, extra: Sequence[Labelled], teachers: Sequence[Teacher], recipe: Recipe
) -> Trained:
    """The student."""
    torch.manual_seed(recipe.seed)
    tokenizer, kept = _vocabulary(corpus, extra)
    source = sources.load(_STUDENT)
    tokens = Tokens(Tokenizer.from_str(tokenizer), max_tokens=MAX_TOKENS)
    slugs = corpus.table.slugs()
    model = TaggerModel(len(kept), recipe.layers, len(bio_labels()), len(slugs))
    fill(model.encoder, source.weights, kept)
    model.encoder.round_words()
    mask_id = vocabulary.mask_id(Tokenizer.from_str(tokenizer))
    rng = np.random.default_rng(recipe.seed)
    said = teach.soften(teachers, *_asked(corpus, extra)) if teachers else {}
    desk = Desk(tokens, slugs, rng)
    steps = recipe.epochs * (len(_shown(corpus, extra, recipe, 1)) // recipe.size)
    log.info("student: %d tokens, %d texts softened, %d steps", len(kept), len(said), steps)
    fit(
        model,
        _epochs(corpus, extra, recipe, desk, said),
        Plan(steps, rate=recipe.rate, above=4, size=recipe.size, seed=recipe.seed),
        lambda lessons: teach.loss_of(model, lessons, mask_id, rng),
        lambda lesson: len(lesson.ids),
    )
    return Trained(model, tokenizer)


def save(trained: Trained, folder: Path) -> None:
    """Write the checkpoint and the tokeniser."""
    folder.mkdir(parents=True, exist_ok=True)
    layers = len(trained.model.encoder.layers)
    torch.save({"layers": layers, "state": trained.model.state_dict()}, folder / CHECKPOINT_FILE)
    (folder / TOKENIZER_FILE).write_text(trained.tokenizer, encoding="utf-8")


def load(folder: Path) -> tuple[TaggerModel, Tokens]:
    """The trained model and its tokeniser, as `save` wrote them."""
    saved = torch.load(folder / CHECKPOINT_FILE, weights_only=True)
    state = saved["state"]
    labels, types = len(state["head.weight"]), len(state["type_head.weight"])
    model = TaggerModel(len(state["encoder.words.weight"]), saved["layers"], labels, types)
    model.load_state_dict(state)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    return model.eval(), Tokens(tokenizer, max_tokens=MAX_TOKENS)


def _vocabulary(corpus: data.Corpus, extra: Sequence[Labelled]) -> tuple[str, list[int]]:
    texts = [row.text for rows in corpus.train.values() for row in rows]
    texts += [row.text for row in [*data.epoch(corpus, 0), *extra]] + corpus.types
    texts += [phrase for values in corpus.lexicon.general.values() for phrase in values]
    table, kept = vocabulary.cut(sources.load(_STUDENT).tokenizer, texts)
    return json.dumps(table, ensure_ascii=False), kept


def _asked(corpus: data.Corpus, extra: Sequence[Labelled]) -> tuple[list[Text], list[Text]]:
    """Every text that is shown, with its type and without; and those like what people labelled.

    The generator's texts need no teacher.
    """
    rows = [row for rows in corpus.train.values() for row in rows if row.source != "names"]
    hand = [row for name in BY_HAND for row in corpus.train[name]]
    hand += [row for row in extra if row.source == RECOMBINED or row.kind == "query"]
    return _texts([*rows, *extra]), _texts(hand)


def _texts(rows: Sequence[Labelled]) -> list[Text]:
    texts = [Text(row.text, row.kind) for row in rows]
    return texts + [Text(row.text, row.kind, row.type) for row in rows if row.type]


def _shown(
    corpus: data.Corpus, extra: Sequence[Labelled], recipe: Recipe, number: int
) -> list[Labelled]:
    rng = random.Random(number)  # noqa: S311 - training data, not secrets
    some = rng.sample(list(extra), min(recipe.an_epoch, len(extra)))
    return [*data.epoch(corpus, number), *some]


def _epochs(
    corpus: data.Corpus,
    extra: Sequence[Labelled],
    recipe: Recipe,
    desk: Desk,
    said: dict[Text, Soft],
) -> Iterator[list[Lesson]]:
    for number in range(1, recipe.epochs + 1):
        rows = _shown(corpus, extra, recipe, number)
        yield [desk.lesson(row, soft=said.get) for row in rows]
