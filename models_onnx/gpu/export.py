"""Make bundles for a GPU of those for the CPU: int8 weights, fp16 arithmetic.

python -m models_onnx.gpu.export [--out DIR] [--from DIR ...]

Every node of what it writes has a CUDA kernel, which dynamic int8 has not. The weights are those of
the shipped file, so that nothing is trained or fetched; parity is measured on the CPU, which runs
the converted file too. Exit code 1 if parity is missed.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import onnx

from models_onnx import bundle as bundles
from models_onnx import graphs, publish
from models_onnx.batching import alone, arrays
from models_onnx.bundle import MODEL_FILE, Bundle
from models_onnx.gpu.titles import titles
from models_onnx.runtime import Array, Session, open_session
from models_onnx.spans import Claim, Text
from models_onnx.tokens import Encoded, Tokens

OUT = Path(".cartograph/gpu-models")
PRECISION = "w8f16"
EQUAL = 0.99
"""Share of tags that must be those of the same weights in fp32 (issue of the models)."""
NEAR = 0.02
"""How far a score, 0..1, may be from that in fp32."""
_COUNT = 300


class Parity(NamedTuple):
    """How a converted model compares on the CPU, over tokens (tags) or texts (scores).

    Attributes:
        to_fp32, to_source: shares of equal integers, 0..1; 1 without any.
        off_fp32, off_source: largest difference of floats.
    """

    to_fp32: float
    to_source: float
    off_fp32: float
    off_source: float

    @property
    def holds(self) -> bool:
        return self.to_fp32 >= EQUAL and self.off_fp32 <= NEAR


def convert(source: Bundle, out: Path) -> Parity:
    """Write the bundle for a GPU into `out`, and compare it on the CPU.

    Raises:
        BundleError, InferenceError: the source is damaged, or what was written cannot be loaded.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in source.manifest.files:
        if name != MODEL_FILE:
            shutil.copyfile(source.folder / name, out / name)
    model = onnx.load(source.model_path)
    known = graphs.dequantised(model)
    graphs.joined_norms(model)
    full = out / "fp32.onnx"
    onnx.save(model, full)
    graphs.halved(model)
    graphs.packed(model, known)
    onnx.save(model, out / MODEL_FILE)
    try:
        found = parity(source, full, out / MODEL_FILE)
    finally:
        full.unlink()
    manifest = msgspec.structs.replace(
        source.manifest,
        precision=PRECISION,
        files={name: bundles.sha256(out / name) for name in source.manifest.files},
        quality={"made of": {"bundle": source.id}, "parity on CPU": found._asdict()},
    )
    publish.write_manifest(out, manifest)
    return found


def parity(source: Bundle, full: Path, made: Path, *, count: int = _COUNT) -> Parity:
    """Compare a converted model with its source, and with the same weights in fp32."""
    tokens = Tokens.load(source.tokenizer_path, max_tokens=source.manifest.max_tokens)
    texts = _questions(source.manifest.task, tokens, count)
    sessions = [open_session(path, device="cpu") for path in (made, full, source.model_path)]
    answers = [[_one(session, text) for text in texts] for session in sessions]
    new, exact, old = answers
    to_fp32, off_fp32 = compare(sessions[0].outputs, texts, new, exact)
    to_source, off_source = compare(sessions[0].outputs, texts, new, old)
    return Parity(to_fp32, to_source, off_fp32, off_source)


def compare(
    names: Sequence[str],
    texts: Sequence[Encoded],
    some: Sequence[Sequence[Array]],
    others: Sequence[Sequence[Array]],
) -> tuple[float, float]:
    """Share of equal integers and tags of words, and the largest difference of a text's floats.

    Of chances the likeliest tag at each word's first token is compared.
    """
    equal, total, off = 0, 0, 0.0
    for text, left, right in zip(texts, some, others, strict=True):
        first = [word[0] for word in text.words]
        for name, a, b in zip(names, left, right, strict=True):
            if name == "chances":
                a, b = a[first].argmax(-1), b[first].argmax(-1)
            if a.dtype.kind in "iu":
                chosen = (np.atleast_1d(a), np.atleast_1d(b))
                equal += int((chosen[0] == chosen[1]).sum())
                total += chosen[0].size
            elif not a.ndim:
                off = max(off, float(np.abs(a.astype(np.float64) - b.astype(np.float64))))
    return (round(equal / total, 4) if total else 1.0), round(off, 4)


def _one(session: Session, text: Encoded) -> list[Array]:
    (batch,) = alone([len(text.ids)])
    return [output[0] for output in session.run(*arrays(batch, [text], pad=0))]


def _questions(task: str, tokens: Tokens, count: int) -> list[Encoded]:
    if task == "tagging":
        return [tokens.encode_text(Text(each, "title")) for each in titles(count)]
    return [
        tokens.encode_claim(Claim(each, "", "color", each.split()[number % 3]))
        for number, each in enumerate(titles(count))
    ]


def main() -> int:
    """Convert the bundles named, by default those shipped; 1 if parity is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--from", type=Path, nargs="+", dest="folders", help="bundle folders")
    given = parser.parse_args()
    folders = given.folders or [bundles.shipped(name) for name in ("tagging", "cleaning")]
    missed = 0
    for folder in folders:
        task = bundles.read_manifest(folder).task
        source = bundles.load(folder, task=task)
        found = convert(source, given.out / task)
        size = (given.out / task / MODEL_FILE).stat().st_size / 1e6
        sys.stdout.write(
            f"{given.out / task}: {size:.1f} MB; on CPU {found.to_fp32:.2%} of tags as fp32 with "
            f"the same weights, {found.to_source:.2%} as {source.id}; scores off by at most "
            f"{found.off_fp32:.4f} and {found.off_source:.4f}"
            f"{'' if found.holds else ': PARITY MISSED'}\n"
        )
        missed += not found.holds
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
