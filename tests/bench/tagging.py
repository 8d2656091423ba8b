"""The tagger on the CPU: titles a second, strings in, spans out, and how long a few take.

    python -m tests.bench.tagging [--titles N] [--runs N] [--bundle DIR] [--rewrite]

Titles are made up, all of one length in tokens as the model sees them. Beside wall time stands CPU
time: on a shared machine titles per core-second times cores is what free cores would give.
"""

import argparse
import contextlib
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from models_onnx import bundle, publish
from models_onnx.gpu.titles import of_length
from models_onnx.spans import Text
from models_onnx.tagging.tagger import Tagger
from models_onnx.tokens import Tokens
from tests.bench.report import FOLDER, Row, row, save

TARGETS = {13: 2_000, 32: 1_000}
"""Titles a second on two cores, by tokens."""
CORES = 2
LATENCY_TEXTS = 16
SPACY = "en_core_web_sm"


class Run(NamedTuple):
    """Titles a second of wall time, and of CPU time of all threads."""

    per_second: float
    per_core_second: float


def timed(tagger: Tagger, texts: Sequence[Text]) -> Run:
    """Tag all texts once."""
    wall, cpu = time.perf_counter(), time.process_time()
    tagger.tag(texts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run(len(texts) / wall, len(texts) / cpu)


def latencies(tagger: Tagger, texts: Sequence[Text]) -> tuple[float, float]:
    """p50 and p99 of calls of 16 texts, in ms."""
    taken = []
    for start in range(0, len(texts) - LATENCY_TEXTS + 1, LATENCY_TEXTS):
        begun = time.perf_counter()
        tagger.tag(texts[start : start + LATENCY_TEXTS])
        taken.append((time.perf_counter() - begun) * 1e3)
    taken.sort()
    return taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]


def measure(folder: Path, tokens: int, count: int, runs: int) -> list[Row]:
    """Rows for titles of so many tokens."""
    manifest = bundle.read_manifest(folder)
    reader = Tokens.load(folder / bundle.TOKENIZER_FILE, max_tokens=manifest.max_tokens)
    texts = of_length(count, tokens, lambda text: len(reader.encode_text(text).ids))
    rows = []
    for threads in (1, CORES):
        tagger = Tagger.load(folder, device="cpu", threads=threads)
        tagger.tag(texts[:64])
        found = [timed(tagger, texts) for _ in range(runs)]
        what = f"{tokens} tokens, {threads} thread{'s' * (threads > 1)}"
        target = TARGETS[tokens] if threads == CORES else None
        rows.append(row(what, [run.per_second for run in found], "titles/s", at_least=target))
        per_core = [run.per_core_second for run in found]
        if threads == CORES:
            free = [each * CORES for each in per_core]
            name = f"{what}, {CORES} x titles per core-second"
            rows.append(row(name, free, "titles/s", at_least=target))
        else:
            rows.append(row(f"{what}, CPU time", per_core, "titles/core-s"))
            p50, p99 = latencies(tagger, texts)
            rows.append(row(f"{tokens} tokens, {LATENCY_TEXTS} texts a call, p50", [p50], "ms"))
            rows.append(row(f"{tokens} tokens, {LATENCY_TEXTS} texts a call, p99", [p99], "ms"))
        tagger.close()
    return rows


def peers(count: int) -> tuple[list[Row], list[str]]:
    """A peer's figures where one is installed, else a sentence."""
    if importlib.util.find_spec(SPACY) is None:
        return [], [
            f"no peer: {SPACY} (spaCy) is not in this environment, nor was en-core-web-sm on the "
            "package index when it was looked for; GLiNER's weights are on a model hub, not on the "
            "index. Where spaCy and that model are installed, this bench measures them too"
        ]
    import spacy

    nlp = spacy.load(SPACY, disable=["parser", "tagger", "lemmatizer", "attribute_ruler"])
    words = [" ".join(["Nordwind Red Leather Running Shoes Size 8", str(n)]) for n in range(count)]
    begun = time.process_time()
    for _ in nlp.pipe(words, batch_size=64):
        pass
    rate = count / (time.process_time() - begun)
    return [row(f"{SPACY}, NER alone, titles of 8 words, CPU time", [rate], "titles/core-s")], []


@contextlib.contextmanager
def rewritten(folder: Path) -> Iterator[Path]:
    """The same bundle as an export of this version writes it: norms split for the CPU."""
    import onnx

    from models_onnx import graphs

    with tempfile.TemporaryDirectory() as name:
        made = Path(shutil.copytree(folder, Path(name) / "bundle"))
        model = onnx.load(made / bundle.MODEL_FILE)
        graphs.split_norms(model)
        onnx.save(model, made / bundle.MODEL_FILE)
        manifest = bundle.read_manifest(folder)
        files = {each: bundle.sha256(made / each) for each in manifest.files}
        publish.write_manifest(made, msgspec.structs.replace(manifest, files=files))
        yield made


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--titles", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3, help="the median counts")
    parser.add_argument("--bundle", type=Path, default=bundle.shipped("tagging"))
    parser.add_argument(
        "--rewrite", action="store_true", help="measure it as today's export would write it"
    )
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    chosen = rewritten(given.bundle) if given.rewrite else contextlib.nullcontext(given.bundle)
    rows: list[Row] = []
    with chosen as folder:
        for tokens in TARGETS:
            rows += measure(folder, tokens, given.titles, given.runs)
        found, notes = peers(given.titles)
    save("tagging", [*rows, *found], notes)


if __name__ == "__main__":
    main()
