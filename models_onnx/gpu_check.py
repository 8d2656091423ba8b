"""Ask a machine with a GPU all that must be true of one, and write it down.

python -m models_onnx.gpu_check --out DIR [--models DIR]

Writes DIR/gpu_check.json and DIR/gpu_check.txt, and prints the latter. Exit code 0: all passed; 1:
a check failed; 3: there is no CUDA here, nothing was measured. `--device cpu --quick` rehearses the
same code without a GPU; its figures mean nothing.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from models_onnx import bundle as bundles
from models_onnx.bundle import Bundle
from models_onnx.errors import BundleError, ModelError
from models_onnx.gpu import measure
from models_onnx.gpu.measure import Where

PASSED, FAILED, NO_CUDA = 0, 1, 3
MODELS = Path(".cartograph/gpu-models")

TAGS_EQUAL = 0.995
"""Share of words tagged as on the CPU by the same weights."""
MODEL_ONLY, FROM_STRINGS = 300_000, 100_000
"""Titles a second on one H200: fp16 arrays in, tags out, and strings in, spans out."""


class Size(NamedTuple):
    """How much is measured."""

    parity: int = 2_000
    heights: tuple[int, ...] = (1, 16, 64, 256, 1_024, 4_096)
    widths: tuple[int, ...] = (16, 24, 32, 48, 64)
    runs: int = 50
    threads: tuple[int, ...] = (1, 4, 16)
    strings: int = 100_000
    memory_texts: int = 4_096
    memory_mb: int = 256


QUICK = Size(40, (1, 16), (16,), 2, (1, 2), 60, 40, 256)


def check(bundle: Bundle, where: Where, size: Size, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything, in the order in which it tells most; a part that raises is noted and passed."""
    found: dict[str, Any] = {"machine": measure.machine(), "device": where, "bundle": bundle.id}
    parts: dict[str, Callable[[], Any]] = {
        "nodes": lambda: measure.nodes(bundle, where),
        "parity": lambda: measure.parity(bundle, where, size.parity),
        "grid": lambda: list(measure.grid(bundle, where, size.heights, size.widths, size.runs)),
        "from_strings": lambda: list(
            measure.from_strings(bundle, where, size.threads, size.strings)
        ),
        "short_memory": lambda: measure.short_memory(
            bundle, where, megabytes=size.memory_mb, count=size.memory_texts
        ),
        "without_gpu": lambda: measure.without_gpu(bundle),
    }
    for name, part in parts.items():
        begun = time.perf_counter()
        try:
            found[name] = part()
        except Exception as error:  # noqa: BLE001 - time on a GPU is rare: what else can be learnt?
            found[name] = {"error": f"{type(error).__name__}: {error}"}
        say(f"{name}: {time.perf_counter() - begun:.1f} s")
    found["verdicts"] = verdicts(found)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    """What passed. Speed is judged on CUDA alone."""
    nodes, parity = found["nodes"], found["parity"]
    memory, strings = found["short_memory"], found["from_strings"]
    told = {
        "all nodes on the device": "error" not in nodes and len(nodes) == 1,
        "tags equal to the CPU's": parity.get("tags_equal", 0) >= TAGS_EQUAL,
        "every shape ran": isinstance(found["grid"], list),
        "short memory is halved, not failed": memory.get("answered") == memory.get("titles")
        and memory.get("out_of_memory", 0) > 0
        and memory.get("fell_back") == 0,
        "no silent fallback without a GPU": bool(found["without_gpu"].get("passed")),
    }
    if found["device"] == "cuda":
        best = (
            max((row["titles_per_s"] for row in found["grid"]), default=0)
            if told["every shape ran"]
            else 0
        )
        fast = (
            max((row["titles_per_s"] for row in strings), default=0)
            if isinstance(strings, list)
            else 0
        )
        told[f"model only, at least {MODEL_ONLY:,} titles/s"] = best >= MODEL_ONLY
        told[f"from strings, at least {FROM_STRINGS:,} titles/s"] = fast >= FROM_STRINGS
    return told


def table(found: dict[str, Any]) -> str:
    """The findings for people."""
    lines = [f"{found['bundle']} on {found['device']}"]
    lines += [f"  {name}: {value}" for name, value in found["machine"].items()]
    for name in ("nodes", "parity", "short_memory", "without_gpu"):
        lines.append(f"{name}: {found[name]}")
    lines.append("grid, median ms (titles/s):")
    if isinstance(found["grid"], list):
        lines += [
            f"  {r['texts']:>5} x {r['tokens']:<3} {r['way']:<9}{r['median_ms']:>10.3f}"
            f"  ({r['titles_per_s']:,})"
            for r in found["grid"]
        ]
    else:
        lines.append(f"  {found['grid']}")
    lines.append("strings in, spans out:")
    strings = found["from_strings"]
    lines += (
        [f"  {r['threads']:>3} threads  {r['titles_per_s']:>10,} titles/s" for r in strings]
        if isinstance(strings, list)
        else [f"  {strings}"]
    )
    lines += [f"{'passed' if ok else 'FAILED'}  {name}" for name, ok in found["verdicts"].items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; see the module's docstring for exit codes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=MODELS, help="what make gpu-models wrote")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    given = parser.parse_args(arguments)
    try:
        bundle = bundles.load(given.models / "tagging", task="tagging")
    except BundleError as error:
        _say(f"no model for a GPU ({error}): run `make gpu-models` first")
        return FAILED
    if given.device == "cuda" and (missing := measure.why_no_cuda(bundle)):
        _say(f"no CUDA here, nothing was measured: {missing}")
        return NO_CUDA
    try:
        found = check(bundle, given.device, QUICK if given.quick else Size(), _say)
    except ModelError as error:
        _say(str(error))
        return FAILED
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "gpu_check.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    (given.out / "gpu_check.txt").write_text(text)
    sys.stdout.write(text)
    return PASSED if all(found["verdicts"].values()) else FAILED


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
