"""Finishes a bundle for release: sizes, sha256, golden inputs and measured figures into it.

Nothing is trained or converted here. Run on the folder that an export wrote, it may be run again.
"""

import importlib.resources
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from models_onnx import bundle as bundles
from models_onnx import golden
from models_onnx.bundle import Manifest
from models_onnx.errors import BundleError
from models_onnx.golden import Golden, Model, Question, Task
from models_onnx.publish import CARD_FILE, to_toml
from models_onnx.spans import Claim, Text, ValuePair

LARGEST = 25_000_000
"""Bytes of one file: a repository is no place for larger ones."""

LEAST_GOLDEN = 8
"""A model that is sure of fewer golden inputs is not fit to be released."""

_NOT_LISTED = (bundles.MANIFEST_FILE, CARD_FILE)
_MEASURED = re.compile(r"(?<=^## Measured\n\n).*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def release(
    folder: Path,
    load: Callable[[Manifest], Model],
    *,
    version: str = "",
    reports: Sequence[Mapping[str, Any]] = (),
) -> Manifest:
    """Write `golden.jsonl`, then `bundle.toml` with every file's sha256 and size, and the card.

    Args:
        folder: a bundle as it was exported, with `seen.bin` if it has one.
        load: the model in the folder, called when the manifest fits its files.
        version: the new one; "" keeps the old.
        reports: what `cartograph model evaluate --json` printed; they replace the figures of their
            sets and leave the others.

    Returns:
        The manifest as written.

    Raises:
        BundleError: no bundle, a file above LARGEST, or a model sure of too few golden inputs.
        DataError: a report is none.
    """
    manifest = bundles.read_manifest(folder)
    quality = {**manifest.quality, **dict(map(figures, reports))}
    version = version or manifest.version
    manifest = msgspec.structs.replace(manifest, version=version, quality=quality)
    (folder / golden.GOLDEN_FILE).unlink(missing_ok=True)
    manifest = _listed(folder, manifest)
    _write(folder, manifest)
    if (task := _task(manifest)) is not None:
        made = golden.made(task, load(manifest), questions(task))
        if len(made) < LEAST_GOLDEN:
            raise BundleError(
                f"{folder}: the model is sure of {len(made)} golden inputs, {LEAST_GOLDEN} are the "
                "least: it is not fit to be released, train it longer"
            )
        golden.write(folder, made)
        manifest = _listed(folder, manifest)
        _write(folder, manifest)
    return manifest


def questions(task: Task) -> list[Question]:
    """What models of a task are asked at release."""
    file = importlib.resources.files("models_onnx").joinpath("golden.toml")
    table = tomllib.loads(file.read_text(encoding="utf-8"))[task]
    if task == "tagging":
        return [
            *(Text(title, "title") for title in table["titles"]),
            *(Text(query, "query") for query in table["queries"]),
        ]
    if task == "synonyms":
        return [ValuePair(a, b) for a, b in (*table["same"], *table["different"])]
    return [
        Claim(one["text"], one["type"], attribute, value)
        for one in table
        for said in (one["right"], one["wrong"])
        for attribute, value in said.items()
    ]


def figures(report: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and figures of a report for the manifest's `quality`: values, and "low to high" beside.

    Raises:
        BundleError: it is not what `cartograph model evaluate --json` prints.
    """
    try:
        told: dict[str, Any] = dict(report["counts"])
        for name, figure in report["figures"].items():
            if figure is not None:
                value, low, high = figure
                told[name] = value
                if not math.isnan(low):
                    told[f"{name}_95"] = f"{low} to {high}"
        by_label = {
            label: next((f[0] for f in part["figures"].values() if f is not None), "none")
            for label, part in report["labels"].items()
        }
        name = str(report["set"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"a report lacks {error}: give what `cartograph model evaluate --json` printed"
        ) from error
    return name, {**told, "by_label": by_label} if by_label else told


def verified(folder: Path, model: Model) -> list[Golden]:
    """The golden inputs of a bundle, all answered by `model` as at its release.

    Raises:
        BundleError: see `golden.verify`.
    """
    goldens = golden.read(folder)
    golden.verify(model, goldens)
    return goldens


def _task(manifest: Manifest) -> Task | None:
    tasks: dict[str, Task] = {
        "tagging": "tagging",
        "cleaning": "cleaning",
        "synonyms": "synonyms",
    }
    return tasks.get(manifest.task)


def _listed(folder: Path, manifest: Manifest) -> Manifest:
    paths = sorted(p for p in folder.iterdir() if p.is_file() and p.name not in _NOT_LISTED)
    sizes = {path.name: path.stat().st_size for path in paths}
    for name, size in sizes.items():
        if size > LARGEST:
            raise BundleError(
                f"{folder / name} has {size:,} bytes, {LARGEST:,} are the most: "
                "prune its vocabulary or quantise it"
            )
    files = {path.name: bundles.sha256(path) for path in paths}
    return msgspec.structs.replace(manifest, files=files, sizes=sizes)


def _write(folder: Path, manifest: Manifest) -> None:
    text = to_toml(msgspec.to_builtins(manifest))
    (folder / bundles.MANIFEST_FILE).write_text(text, encoding="utf-8")
    card = folder / CARD_FILE
    if card.exists():
        measured = "\n\n".join(
            f"### {name}\n\n{_table(value)}" for name, value in manifest.quality.items()
        )
        written = _MEASURED.sub(lambda _: f"{measured}\n\n", card.read_text(encoding="utf-8"))
        card.write_text(written, encoding="utf-8")


def _table(table: Mapping[str, Any]) -> str:
    lines = ["| figure | value |", "|---|---|"]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += [f"| {name}, {inner} | {_shown(v)} |" for inner, v in value.items()]
        else:
            lines.append(f"| {name} | {_shown(value)} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, Mapping) else str(value)
