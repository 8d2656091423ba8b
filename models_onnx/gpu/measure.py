"""What `gpu_check` asks of a machine; each answer is plain figures.

Where is "cpu" the same code runs there in a GPU's fixed shapes: a rehearsal, and a test.
"""

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models_onnx import runtime
from models_onnx.batching import TOKEN_BUDGET, Ids
from models_onnx.bundle import Bundle
from models_onnx.errors import DeviceError, DeviceMemoryError, ModelError
from models_onnx.gpu.titles import titles
from models_onnx.ladder import Ladder, Watch
from models_onnx.runtime import Array, BoundSession, CapturedSession, Device, Session
from models_onnx.spans import Text
from models_onnx.tagging.tagger import OUTPUTS, Tagger
from models_onnx.tokens import Encoded, Tokens

Where = Literal["cuda", "cpu"]
CAPTURED_UP_TO = 256
"""Texts of the largest batch that is tried as a CUDA graph: above, kernels outlast their start."""


class Pretending(Session):
    """A CPU session that is treated as a GPU's: fixed shapes; `memory` padded tokens at most."""

    def __init__(self, path: Path, *, memory: int | None = None) -> None:
        super().__init__(path, runtime.cpu_session(path), "cpu")
        self.device, self._memory = "cuda", memory

    def run(self, ids: Ids, mask: Ids, types: Ids) -> list[Array]:
        if self._memory is not None and ids.size > self._memory:
            raise DeviceMemoryError("pretended: Failed to allocate memory")
        return super().run(ids, mask, types)

    def reopen(self, device: Device) -> Session:
        return Session(self.path, runtime.cpu_session(self.path), "cpu")


_REHEARSED_TOKENS = 1_024
"""Padded tokens of one call in a rehearsal: fp16 on a CPU is slow."""


def machine() -> dict[str, Any]:
    """What is installed, and what `nvidia-smi` says."""
    query = "--query-gpu=name,driver_version,memory.total"
    try:
        told = subprocess.run(  # noqa: S603 - a constant
            ["nvidia-smi", query, "--format=csv,noheader"],  # noqa: S607 - found by PATH
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        told = f"no answer ({type(error).__name__})"
    return {
        "python": sys.version.split()[0],
        "onnxruntime": runtime.version(),
        "cuda_provider_installed": runtime.has_cuda_provider(),
        "nvidia_smi": told,
        "cores": os.cpu_count(),
    }


def nodes(bundle: Bundle, where: Where) -> dict[str, int]:
    """Nodes of the model by execution provider; on CUDA, `cuda_session` refuses any other."""
    make = runtime.cuda_session if where == "cuda" else runtime.cpu_session
    return runtime.assignment(make(bundle.model_path))


def parity(bundle: Bundle, where: Where, count: int) -> dict[str, Any]:
    """The device in fixed shapes beside the CPU with one text a call: the same weights.

    Returns:
        Share of words with the same tag, 0..1, and the largest difference of a chance there.
    """
    tokens = _tokens(bundle)
    texts = [tokens.encode_text(Text(each, "title")) for each in titles(count, seed=7)]
    budget = TOKEN_BUDGET if where == "cuda" else _REHEARSED_TOKENS
    session = _opened(bundle, "cuda") if where == "cuda" else Pretending(bundle.model_path)
    here = _ladder(session, texts[0], bundle, budget=budget).rows(texts)
    there = _ladder(_opened(bundle, "cpu"), texts[0], bundle).rows(texts)
    same = total = 0
    off = 0.0
    for text, left, right in zip(texts, here, there, strict=True):
        first = [word[0] for word in text.words]
        if left is None or right is None:
            total += len(first)
            continue
        here_, there_ = (row[0][first].astype(float) for row in (left, right))
        equal = here_.argmax(-1) == there_.argmax(-1)
        same, total = same + int(equal.sum()), total + len(first)
        gaps = np.abs(here_ - there_).max(-1)[equal]
        off = max(off, float(gaps.max(initial=0.0)))
    return {"titles": count, "tags_equal": same / max(1, total), "confidence_off": round(off, 4)}


def grid(
    bundle: Bundle, where: Where, heights: Sequence[int], widths: Sequence[int], runs: int
) -> Iterator[dict[str, Any]]:
    """Each shape by plain run, bound arrays and captured kernels: least and median time."""
    sessions = _ways(bundle, where)
    for width, height in itertools.product(widths, heights):
        feed = _feed(height, width)
        for way, session in sessions.items():
            if way == "captured" and height > CAPTURED_UP_TO:
                continue
            least, median = timed(lambda s=session, f=feed: s.run(*f), runs)  # type: ignore[misc]
            yield {
                "way": way,
                "texts": height,
                "tokens": width,
                "least_ms": round(least * 1e3, 4),
                "median_ms": round(median * 1e3, 4),
                "titles_per_s": round(height / median),
            }


def from_strings(
    bundle: Bundle, where: Where, threads: Sequence[int], count: int
) -> Iterator[dict[str, Any]]:
    """Strings in, spans out, with so many threads that tokenise and read."""
    texts = [Text(each, "title") for each in titles(count, seed=3)]
    for number in threads:
        tagger = Tagger(bundle, _opened(bundle, where), threads=number)
        tagger.tag(texts[: count // 4])
        begun = time.perf_counter()
        tagger.tag(texts)
        taken = time.perf_counter() - begun
        tagger.close()
        yield {"threads": number, "titles": count, "titles_per_s": round(count / taken)}


class _Counts(Watch):
    def __init__(self) -> None:
        self.full, self.fallbacks = 0, 0

    def out_of_memory(self) -> None:
        self.full += 1

    def fell_back(self, reason: str) -> None:
        del reason
        self.fallbacks += 1


def short_memory(bundle: Bundle, where: Where, *, megabytes: int, count: int) -> dict[str, Any]:
    """Texts with a limit of memory that large batches exceed: halved, and all answered."""
    tokens = _tokens(bundle)
    texts = [tokens.encode_text(Text(f"{each} " * 6, "title")) for each in titles(count, seed=5)]
    if where == "cpu":
        session: Session = Pretending(bundle.model_path, memory=_REHEARSED_TOKENS // 2)
        budget = _REHEARSED_TOKENS
    else:
        budget = TOKEN_BUDGET
        limit = {"gpu_mem_limit": str(megabytes << 20)}
        made = runtime.cuda_session(bundle.model_path, **limit)
        session = BoundSession(bundle.model_path, made, "cuda")
    watch = _Counts()
    ladder = _ladder(session, texts[0], bundle, watch, budget=budget)
    answered = sum(row is not None for row in ladder.rows(texts))
    return {
        "limit_mb": megabytes,
        "titles": count,
        "answered": answered,
        "out_of_memory": watch.full,
        "token_budget": ladder.token_budget,
        "fell_back": watch.fallbacks,
        "device": ladder.device,
    }


_WITHOUT = """
import logging, sys
from pathlib import Path
from models_onnx.errors import DeviceError
from models_onnx.runtime import open_session
logging.basicConfig(level="WARNING", stream=sys.stdout, format="%(message)s")
try:
    open_session(Path(sys.argv[1]), device="cuda")
    print("SILENT")
except DeviceError as error:
    print("refused:", str(error)[:300])
print("auto:", open_session(Path(sys.argv[1]), device="auto").device)
"""


def without_gpu(bundle: Bundle) -> dict[str, Any]:
    """A process that sees no GPU: cuda must be refused in words, auto must say cpu."""
    done = subprocess.run(  # noqa: S603 - this interpreter and a constant
        [sys.executable, "-c", _WITHOUT, str(bundle.model_path)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout
    passed = done.returncode == 0 and "refused:" in said and "auto: cpu" in said
    return {"passed": passed, "said": said.strip().splitlines()[-6:]}


def timed(call: Callable[[], object], runs: int) -> tuple[float, float]:
    """Least and median seconds of a call, after three that do not count."""
    for _ in range(3):
        call()
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken), statistics.median(taken)


def why_no_cuda(bundle: Bundle) -> str:
    """What is missing for CUDA, in a sentence; empty where it works."""
    try:
        runtime.check_distributions()
        runtime.cuda_session(bundle.model_path)
    except (DeviceError, ModelError) as error:
        return str(error)
    return ""


def _ways(bundle: Bundle, where: Where) -> dict[str, Session]:
    path = bundle.model_path
    if where == "cpu":
        made = runtime.cpu_session(path)
        return {
            "plain": Session(path, made, "cpu"),
            "bound": BoundSession(path, made, "cpu"),
            "captured": CapturedSession(path, made, "cpu"),
        }
    made = runtime.cuda_session(path)
    captured = runtime.cuda_session(path, enable_cuda_graph="1")
    return {
        "plain": Session(path, made, "cuda"),
        "bound": BoundSession(path, made, "cuda"),
        "captured": CapturedSession(path, captured, "cuda"),
    }


def _feed(height: int, width: int) -> tuple[Ids, Ids, Ids]:
    rng = np.random.default_rng(1)
    ids = rng.integers(1_000, 9_000, (height, width)).astype(np.int32)
    return ids, np.ones_like(ids), np.ones_like(ids)


def _tokens(bundle: Bundle) -> Tokens:
    return Tokens.load(bundle.tokenizer_path, max_tokens=bundle.manifest.max_tokens)


def _opened(bundle: Bundle, where: Where) -> Session:
    return runtime.open_session(bundle.model_path, device=where)


def _ladder(
    session: Session,
    probe: Encoded,
    bundle: Bundle,
    watch: Watch | None = None,
    *,
    budget: int = TOKEN_BUDGET,
) -> Ladder:
    return Ladder(
        session,
        probe=probe,
        pad=_tokens(bundle).pad,
        outputs=OUTPUTS,
        longest=bundle.manifest.max_tokens,
        token_budget=budget,
        watch=watch,
    )
