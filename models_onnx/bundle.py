"""A model on disk: one folder, described by `bundle.toml`, verified when it is loaded.

    model.onnx      the graph and its weights
    tokenizer.json  vocabulary and rules of the Rust tokenizer
    types.txt       product types that a tagger knows, a slug a line, the first empty: no type
    scorer.json, lexicon.npz   of synonyms alone: the trees that score a pair; relations and sets of
        words
    bundle.toml     name, version, task, labels, thresholds, sha256 of the files, data, quality
    BUNDLE.md       the same for a reader

`bundle.toml`, schema 1: `schema`, `name`, `version`, `task` (tagging | cleaning | synonyms),
`precision` (int8 | fp32 | ...), `max_tokens`, `labels`, tables `thresholds` (name -> 0..1), `files`
(file name -> sha256 in hex), `sizes` (file name -> bytes, written on release), `quality` (set ->
figures) and a list `training_data`. A released bundle has `golden.jsonl` (`golden`), and may have
`seen.bin` (`seen`).
"""

import hashlib
import importlib.resources
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from models_onnx.errors import BundleError

SCHEMA = 1
MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
TYPES_FILE = "types.txt"
MANIFEST_FILE = "bundle.toml"


class TrainingData(msgspec.Struct, frozen=True):
    """One data set that the weights were trained on."""

    name: str
    licence: str
    use: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of `bundle.toml`."""

    schema: int
    name: str
    version: str
    task: str
    precision: str
    max_tokens: int
    labels: tuple[str, ...]
    thresholds: dict[str, float]
    files: dict[str, str]
    training_data: tuple[TrainingData, ...]
    quality: dict[str, Any]
    sizes: dict[str, int] = {}


class Bundle(msgspec.Struct, frozen=True):
    """A verified bundle: the manifest and where its files are."""

    folder: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        return self.folder / MODEL_FILE

    @property
    def tokenizer_path(self) -> Path:
        return self.folder / TOKENIZER_FILE

    def types(self) -> tuple[str, ...]:
        """The product types of a tagger's columns, the first "": none; () if it types nothing.

        Raises:
            BundleError: the file does not list each type once, after an empty line.
        """
        if TYPES_FILE not in self.manifest.files:
            return ()
        path = self.folder / TYPES_FILE
        types = tuple(path.read_text(encoding="utf-8").split("\n")[:-1])
        if not types or types[0] or len(set(types)) != len(types):
            raise BundleError(
                f"{path} lists a type twice or has no empty first line: fetch it anew"
            )
        return types

    @property
    def id(self) -> str:
        """The bundle's id when it runs on CPU, such as "tagging@0.1.0-int8-cpu"."""
        return self.id_on("cpu")

    def id_on(self, device: str) -> str:
        """Name, version, precision and device: answers are comparable only under one such id."""
        m = self.manifest
        return f"{m.name}@{m.version}-{m.precision}-{device}"

    def threshold(self, name: str) -> float:
        """A threshold of the manifest, 0..1.

        Raises:
            BundleError: the manifest does not give it.
        """
        try:
            return self.manifest.thresholds[name]
        except KeyError:
            raise BundleError(
                f"{self.folder}: bundle.toml gives no threshold {name!r}; export the bundle anew"
            ) from None


def load(folder: Path | str, *, task: str) -> Bundle:
    """The bundle in `folder`, every file checked against its sha256.

    Raises:
        BundleError: a file is missing or changed, or the manifest is not of this schema and task.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.task != task:
        raise BundleError(f"{folder}: a bundle for {manifest.task}, wanted one for {task}")
    for name in (MODEL_FILE, TOKENIZER_FILE):
        if name not in manifest.files:
            raise BundleError(f"{folder}: bundle.toml gives no sha256 for {name}; export it anew")
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"{folder}: bundle.toml names a file outside the bundle: {name}")
        _verify(folder / name, expected)
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """`bundle.toml` of `folder`, shape checked, files not yet.

    Raises:
        BundleError: it is missing, no TOML, of another schema, or lacks a field.
    """
    path = folder / MANIFEST_FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"no bundle in {folder}: {MANIFEST_FILE} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read ({error}); fetch the bundle again") from error
    if table.get("schema") != SCHEMA:
        raise BundleError(
            f"{path}: schema {table.get('schema')!r}, this version reads {SCHEMA}; "
            "use the bundle released with this version"
        )
    try:
        manifest = msgspec.convert(table, Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{path}: {error}; fetch the bundle again") from error
    if not manifest.labels or len(set(manifest.labels)) != len(manifest.labels):
        raise BundleError(f"{path}: labels are missing or named twice; fetch the bundle again")
    if not 8 <= manifest.max_tokens <= 512:
        raise BundleError(f"{path}: max_tokens {manifest.max_tokens} is not within 8..512")
    return manifest


def shipped(name: str) -> Path:
    """Folder of a bundle that comes with the package: "tagging", "cleaning" or "synonyms"."""
    return Path(str(importlib.resources.files("models_onnx"))) / "bundles" / name


def sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error}); fetch the bundle again") from error
    if found != expected:
        raise BundleError(
            f"{path} is not the file that bundle.toml describes (sha256 {found[:12]}..., expected "
            f"{expected[:12]}...): it is truncated, changed or from another release; "
            "fetch the bundle again"
        )
