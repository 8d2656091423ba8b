"""`cartograph model train|split`: bundles from data sets. Training needs the extra `train`."""

import importlib
import logging
from pathlib import Path
from typing import Annotated

import typer

from models_onnx.errors import BundleError
from models_onnx.tagging import parts
from models_onnx.tagging.types import TypeTable
from streams.cli.model import model
from streams.cli.shell import note, say, told
from topology.ontology import default_ontology, load_ontology

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Folder of the data sets.", exists=True)
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the bundle goes.")]


@model.command("train")
@told
def model_train(
    data: Data,
    out: Out,
    work: Annotated[
        Path, typer.Option("--work", metavar="DIR", help="Where teachers and checkpoints are kept.")
    ] = Path(".cartograph/train"),
    ontology: Annotated[
        Path | None, typer.Option(help="Whose types are learnt; by default the one shipped.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 2,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A tiny model in a minute, to see that it works.")
    ] = False,
) -> None:
    """Train the tagger and write its bundle, without figures: `release` adds them."""
    try:
        maker = importlib.import_module("models_onnx.tagging.make")
    except ModuleNotFoundError as error:
        raise BundleError(f"training needs the extra `train` ({error}): `make train`") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    types = load_ontology(ontology) if ontology else default_ontology()
    names = {slug: (one.name, *one.also) for slug, one in types.types.items()}
    table = TypeTable(names, types.type_of)
    maker.make(data, out, table, work=work / "tagging", threads=threads, smoke=smoke)
    say(f"{out}: written; finish it with `cartograph model release {out}`")


@model.command("split")
@told
def model_split(
    file: Annotated[Path, typer.Argument(help="A file of the set.", exists=True)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the two parts go.")],
    name: Annotated[str, typer.Option("--set", metavar="NAME", help="The data set.")],
) -> None:
    """Split a file as training does: train.jsonl, and validation.jsonl that is measured on."""
    out.mkdir(parents=True, exist_ok=True)
    counts = {True: 0, False: 0}
    with (
        (out / "train.jsonl").open("w", encoding="utf-8") as train,
        (out / "validation.jsonl").open("w", encoding="utf-8") as validation,
    ):
        for measured, line in parts.split(name, file):
            (validation if measured else train).write(line + "\n")
            counts[measured] += 1
    note(f"{counts[False]:,} rows to train on, {counts[True]:,} to measure on, in {out}")
