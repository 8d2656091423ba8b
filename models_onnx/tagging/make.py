"""From a data folder to a tagger's bundle: read, teach, train, write. Needs the extra `train`."""

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer

from models_onnx import seen
from models_onnx.seen import TEXT
from models_onnx.tagging import data, export, train
from models_onnx.tagging.teach import MAX_TOKENS
from models_onnx.tagging.train import SMOKE, Recipe
from models_onnx.tagging.types import TypeTable
from models_onnx.tokens import Tokens

log = logging.getLogger(__name__)


def make(
    folder: Path, out: Path, table: TypeTable, *, work: Path, threads: int = 2, smoke: bool = False
) -> None:
    """Train on the sets in `folder` and write a bundle without figures to `out`.

    Teachers and the checkpoint are kept in `work`; teachers that lie there are not trained again.
    `smoke`: a tiny model in a minute.

    Raises:
        OSError: a set is missing.
    """
    torch.set_num_threads(threads)
    recipe = SMOKE if smoke else Recipe()
    work.mkdir(parents=True, exist_ok=True)
    corpus = data.read(folder, table)
    log.info("rows: %s", {source: len(rows) for source, rows in corpus.train.items()})
    extra = train.more_texts(corpus, folder, recipe)
    teachers = train.teachers_of(corpus, recipe, work)
    trained = train.train(corpus, extra, teachers, recipe)
    train.save(trained, work)
    tokens = Tokens(Tokenizer.from_str(trained.tokenizer), max_tokens=MAX_TOKENS)
    texts = export.calibration(corpus, tokens)
    export.write(trained.model, trained.tokenizer, table.slugs(), out, texts=texts)
    remembered = seen.of(_shown(corpus))
    seen.write(out, remembered)
    export.illustrate(out, remembered)


def _shown(corpus: data.Corpus) -> Iterator[tuple[str, str]]:
    """(label, value) of every labelled row and of the generator's lists, and every text."""
    for rows in corpus.train.values():
        for row in rows:
            yield TEXT, row.text
            yield from row.values()
    for label, phrases in corpus.lexicon.general.items():
        yield from ((label, phrase) for phrase in phrases)
    for department in corpus.lexicon.departments:
        yield from (("product_type", name) for name in department.types)
        for label, phrases in department.fits.items():
            yield from ((label, phrase) for phrase in phrases)
