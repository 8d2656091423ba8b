"""`cartograph model tag|clean|match|evaluate|release`: the models outside the stream."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from models_onnx import golden, mapping, seen
from models_onnx import release as releases
from models_onnx.bundle import Manifest, shipped
from models_onnx.errors import DataError
from models_onnx.evaluation import report as reports
from models_onnx.evaluation import run
from models_onnx.evaluation.report import Report
from models_onnx.evaluation.run import Given
from streams.cli import model_answers as answers
from streams.cli import model_load as load
from streams.cli.model_lines import answer
from streams.cli.shell import FOUND_WRONG, JSON, group, note, say, show, told
from streams.products.typed import OntologyTyper
from topology.ontology import default_ontology

model = group("The models outside the stream: tag, clean, match, evaluate, release.")


class Device(StrEnum):
    """Where a model runs; auto: on a GPU where that really works, else on the CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Task(StrEnum):
    """What is measured."""

    tagging = "tagging"
    cleaning = "cleaning"
    synonyms = "synonyms"
    typing = "typing"


Bundle = Annotated[
    Path | None, typer.Option("--bundle", metavar="DIR", help="By default the one shipped.")
]
On = Annotated[Device, typer.Option("--device", help="cuda: every node there, or an error.")]
Threads = Annotated[
    int | None, typer.Option(min=1, max=1024, help="Texts at a time on the CPU: one a core.")
]
Asked = TypeVar("Asked", bound=msgspec.Struct)


@model.command("tag")
@told
def model_tag(
    bundle: Bundle = None,
    device: On = Device.auto,
    threads: Threads = None,
    as_: Annotated[
        str, typer.Option("--as", metavar="SET", help="In that data set's own labels.")
    ] = "",
) -> None:
    """Tag texts: JSON lines in, JSON lines out, in the same order.

    In: {"id", "text", "kind": "title"|"query", "product_type"?}. Out: {"id", "spans": [{"start",
    "end", "label", "text", "score"}], "product_type": {"id", "score"} or null, "bundle"}.

    A line that cannot be read is answered {"id", "error"}; then the exit code is 1.
    """
    into = mapping.load(as_) if as_ else None
    if into is not None and not into.labels:
        raise DataError(f"{as_} marks no attributes, so there is nothing to answer in its labels")
    with contextlib.closing(load.tagger(bundle, device.value, threads)) as tagger:
        ontology = default_ontology()
        ask = answers.TagAnswers(tagger, OntologyTyper(tagger, ontology), ontology, into)
        _answer(answers.TagLine, answers.TAG_WANTS, ask)
        _set_aside(tagger.set_aside)


@model.command("clean")
@told
def model_clean(bundle: Bundle = None, device: On = Device.auto, threads: Threads = None) -> None:
    """Judge claims: JSON lines in, JSON lines out, in the same order.

    In: {"id", "text"?, "product_type"?, "attribute", "value"}. Out: {"id", "score", "verdict":
    "accepted"|"held"|"rejected", "bundle"}; the score is how likely the claim is right, 0..1.

    A line that cannot be read is answered {"id", "error"}; then the exit code is 1.
    """
    with contextlib.closing(load.cleaner(bundle, device.value, threads)) as cleaner:
        _answer(answers.CleanLine, answers.CLEAN_WANTS, answers.CleanAnswers(cleaner))
        _set_aside(cleaner.set_aside)


@model.command("match")
@told
def model_match(bundle: Bundle = None, device: On = Device.auto, threads: Threads = None) -> None:
    """Judge whether two texts mean the same: JSON lines in, JSON lines out, in the same order.

    In: {"id", "a", "b", "attribute"?}. Out: {"id", "score", "verdict":
    "accepted"|"held"|"rejected", "bundle"}.

    A line that cannot be read is answered {"id", "error"}; then the exit code is 1.
    """
    with contextlib.closing(load.matcher(bundle, device.value, threads)) as matcher:
        _answer(answers.MatchLine, answers.MATCH_WANTS, answers.MatchAnswers(matcher))


@model.command("evaluate")
@told
def model_evaluate(
    task: Annotated[Task, typer.Argument()],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plain or gzip.")],
    name: Annotated[str, typer.Option("--set", metavar="NAME", help="The files' data set.")],
    train: Annotated[
        list[Path] | None,
        typer.Option(
            "--train",
            metavar="FILE",
            help="What the model was trained on, in the same format: seen and unseen values apart. "
            "By default what the bundle remembers. Give it again for each file.",
        ),
    ] = None,
    bundle: Bundle = None,
    device: On = Device.cpu,
    threads: Threads = None,
    sample: Annotated[int, typer.Option(min=0, help="So many rows, drawn; 0: all.")] = 0,
    untyped: Annotated[
        bool, typer.Option("--untyped", help="Do not tell the tagger the set's product types.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure a model on files of a data set, in that set's own labels.

    Every figure has a 95 % bootstrap interval. What is measured on which set: tagging on query-ner,
    oa-mine, icecat, myntra-styles, wdc-pave; cleaning on those (a tenth of the claims made wrong)
    and on impakt, intentionqa; synonyms on ditto-em, impakt, pricerunner; typing on myntra-styles,
    oa-mine, pricerunner. How each is scored: models_onnx/evaluation.
    """
    run.check(task.value, name)
    kind = "tagging" if task is Task.typing else task.value
    remembered = None if train else seen.read(bundle or shipped(kind))
    given = Given(name, tuple(files), tuple(train or ()), remembered, sample, not untyped)
    measured = _MEASURE[task](bundle, device.value, threads, given)
    show(reports.plain(measured), as_json=as_json, text=lambda: _print(measured))


@model.command("release")
@told
def model_release(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A bundle as it was exported.")],
    version: Annotated[str, typer.Option(help="The new one; by default it stays.")] = "",
    figures: Annotated[
        list[Path] | None,
        typer.Option(
            "--figures", metavar="FILE", help="What `evaluate --json` printed; may come again."
        ),
    ] = None,
) -> None:
    """Finish a bundle: sizes, sha256, golden inputs and figures into bundle.toml and BUNDLE.md.

    The golden inputs are texts of our own with what the model answers on the CPU now; wherever the
    bundle is loaded it must answer them alike.
    """
    told_ = [_read_report(path) for path in figures or ()]

    def in_folder(manifest: Manifest) -> golden.Model:
        return load.by_task(manifest.task, folder)

    manifest = releases.release(folder, in_folder, version=version, reports=told_)
    checked = len(releases.verified(folder, in_folder(manifest))) if manifest.files else 0
    say(f"{folder}: {manifest.name} {manifest.version}, {checked} golden inputs")
    listed = [(name, f"{manifest.sizes[name]:,}", hash_) for name, hash_ in manifest.files.items()]
    for line in _lines([("file", "bytes", "sha256"), *listed]):
        say(line)


def _answer(
    line_type: type[Asked], wants: str, ask: Callable[[Sequence[Asked]], Sequence[msgspec.Struct]]
) -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    read = getattr(source, "read1", source.read)
    outcome = answer(read, sink.write, sink.flush, line_type, wants, ask)
    if outcome.bad:
        note(f"cartograph: {outcome.bad:,} of {outcome.lines:,} lines could not be read")
        raise typer.Exit(FOUND_WRONG)


def _set_aside(count: int) -> None:
    if count:
        note(f"cartograph: the model failed on {count:,} texts: they have no answer of its own")


def _tagging(bundle: Path | None, device: str, threads: int | None, given: Given) -> Report:
    with contextlib.closing(load.tagger(bundle, device, threads)) as tagger:
        return run.run_tagging(tagger, tagger.bundle_id, given)


def _typing(bundle: Path | None, device: str, threads: int | None, given: Given) -> Report:
    with contextlib.closing(load.tagger(bundle, device, threads)) as tagger:
        ontology = default_ontology()
        return run.run_typing(OntologyTyper(tagger, ontology), ontology.ancestors, given)


def _cleaning(bundle: Path | None, device: str, threads: int | None, given: Given) -> Report:
    with contextlib.closing(load.cleaner(bundle, device, threads)) as cleaner:
        return run.run_cleaning(cleaner, cleaner.bundle_id, given)


def _synonyms(bundle: Path | None, device: str, threads: int | None, given: Given) -> Report:
    with contextlib.closing(load.matcher(bundle, device, threads)) as matcher:
        return run.run_synonyms(matcher, matcher.bundle_id, given)


_MEASURE = {
    Task.tagging: _tagging,
    Task.typing: _typing,
    Task.cleaning: _cleaning,
    Task.synonyms: _synonyms,
}


def _print(measured: Report) -> None:
    say(f"{measured.task} on {measured.set} ({', '.join(measured.files)}): {measured.bundle}")
    names, shown = reports.columns(measured), list(reports.rows(measured))
    for name, cell in zip(names, shown[0][1:], strict=True):
        if cell != "-":
            say(f"  {name:24} {cell}")
    if shown[1:]:
        say()
        for line in _lines([["", *names], *shown[1:]]):
            say(line)
    for line in measured.notes:
        say(f"note: {line}")
    say("in brackets: 95 % bootstrap intervals")


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows in columns, never wrapped, without columns that no label has."""
    kept = [
        place
        for place in range(len(rows[0]))
        if place == 0 or any(row[place] != "-" for row in rows[1:])
    ]
    widths = {place: max(len(row[place]) for row in rows) for place in kept}
    return ["  ".join(row[p].ljust(widths[p]) for p in kept).rstrip() for row in rows]


def _read_report(path: Path) -> dict[str, object]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(
            f"{path} is no report ({error}): give what `cartograph model evaluate --json` printed"
        ) from error
