"""Writes a bundle's `bundle.toml` and `BUNDLE.md`. Used by export; reading is in `bundle`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from models_onnx.bundle import MANIFEST_FILE, Manifest

CARD_FILE = "BUNDLE.md"


def write(
    folder: Path, manifest: Manifest, *, about: str, limits: str, examples: Sequence[str] = ()
) -> None:
    """Write the manifest, and the card: `about`, the manifest's facts, `examples`, `limits`."""
    write_manifest(folder, manifest)
    text = card(manifest, about=about, limits=limits, examples=examples)
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `bundle.toml` alone."""
    text = to_toml(msgspec.to_builtins(manifest))
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def to_toml(table: dict[str, Any]) -> str:
    """TOML of a table of strings, numbers, lists of strings, lists of tables, nested tables."""
    return "\n".join(_lines(table, ())) + "\n"


def card(manifest: Manifest, *, about: str, limits: str, examples: Sequence[str]) -> str:
    """The model card, in Markdown; `examples` are lines of what the model really answered."""
    shown = "\n".join(f"- {line}" for line in examples) or "None."
    m = manifest
    data = "\n".join(f"| {d.name} | {d.licence} | {d.use} |" for d in m.training_data)
    thresholds = "\n".join(f"| {name} | {value:.4g} |" for name, value in m.thresholds.items())
    quality = "\n\n".join(f"### {name}\n\n{_table(value)}" for name, value in m.quality.items())
    return f"""# {m.name} {m.version}

{about.strip()}

Task: {m.task}. Precision: {m.precision}. Longest text: {m.max_tokens} tokens.
Labels: {", ".join(m.labels)}.

## Trained on

| set | licence | use |
|---|---|---|
{data}

The encoder is all-MiniLM-L6-v2 (Apache-2.0), or its first layers: see above.

## Thresholds

| threshold | value |
|---|---|
{thresholds}

## Measured

{quality}

## What it answers, right and wrong

{shown}

## Limits

{limits.strip()}
"""


def _lines(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in table.items() if not _is_table(v)}
    lines = [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for name, value in table.items():
        if isinstance(value, dict):
            inner = (*path, name)
            lines += ["", f"[{'.'.join(map(_key, inner))}]", *_lines(value, inner)]
        elif _is_table(value):
            inner = (*path, name)
            for one in value:
                lines += ["", f"[[{'.'.join(map(_key, inner))}]]", *_lines(one, inner)]
    return lines


def _is_table(value: Any) -> bool:
    listed = isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)
    return listed or isinstance(value, dict)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _table(value: Any, name: str = "") -> str:
    if not isinstance(value, dict):
        return f"{name}: {value}"
    rows = "\n".join(f"| {row} | {cell} |" for row, cell in _flat(value))
    return f"| figure | value |\n|---|---|\n{rows}"


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}, ")
        else:
            rows.append((prefix + name, value))
    return rows
