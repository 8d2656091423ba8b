"""`cartograph replay`: a graph beside the one that runs, built from the topics."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from streams.cli.setup import address_of
from streams.cli.shell import INTERRUPTED, JSON, note, say, settings, show, told
from streams.cli.state import Digested, digested
from streams.control import generation_log
from streams.control.generations import Generation, as_paths_of_here, read_changes, settings_of
from streams.errors import SettingsError
from streams.replay import build as replaying
from streams.replay.build import Order
from streams.replay.watch import Progress as Now
from streams.replay.watch import Replayed
from streams.settings import read_file


class Base(StrEnum):
    """What a graph is built from."""

    events = "events"
    totals = "totals"


class Built(msgspec.Struct):
    """A generation that was built, with its digest over the stores of this machine."""

    replayed: Replayed
    digest: Digested


@told
def replay(
    from_: Annotated[
        str | None,
        typer.Option("--from", help="earliest, a time of arrival, or offsets as 0:120,1:99."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="The same, or now: it ends there. Else it may go on live.")
    ] = None,
    base: Annotated[
        Base | None,
        typer.Option(help="events: as they are kept. totals: of all time, without the events."),
    ] = None,
    generation: Annotated[
        str, typer.Option(help="Its name; without it g1, g2, ... or the one that is not done yet.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="In which it is to differ."),
    ] = None,
    tagging: Annotated[Path | None, typer.Option(help="Another bundle.")] = None,
    cleaning: Annotated[Path | None, typer.Option(help="Another bundle.")] = None,
    synonyms: Annotated[Path | None, typer.Option(help="Another bundle.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A file of settings as cartograph.toml, the same way.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on live once it is built, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Build a graph beside the one that runs, with other settings or models, from its topics.

    Ended in any way, the same command goes on. Then: `cartograph graph diff live NAME`, and
    `cartograph graph swap NAME` or `cartograph graph drop NAME`.
    """
    found = generation_log.of_base(settings())
    found = found.with_(kafka=address_of(found))
    bundles = {"tagging": tagging, "cleaning": cleaning, "synonyms": synonyms}
    named = [f"{task}_bundle={folder}" for task, folder in bundles.items() if folder is not None]
    changes = None
    if set_ or config or named:
        table = read_file(config) if config else None
        if config and table is None:
            raise SettingsError(f"{config} does not exist")
        changes = as_paths_of_here(read_changes(found, [*(set_ or ()), *named], table))
    order = Order(generation, base.value if base else None, from_, to, changes)
    made = asyncio.run(replaying.prepare(found, order))
    note(f"building {made.name} from {_words(made)}; the same command goes on after any end")

    def built(done: Replayed) -> None:
        value = Built(done, digested(settings_of(found, made)))
        show(value, as_json=as_json, text=lambda: _print(value))
        if follow:
            note(f"{made.name} goes on until Ctrl-C; then: cartograph graph diff live {made.name}")

    with _Bar() as bar:
        done = asyncio.run(replaying.run(found, made, say=bar.show, on_built=built, follow=follow))
    if done is None:
        note(f"{made.name} is not built yet: the same command goes on")
        raise typer.Exit(INTERRUPTED)


def _words(made: Generation) -> str:
    since, until = made.asked
    of = "the totals of the first" if made.base == "totals" else f"events from {since}"
    differs = ", ".join(f"{name}={value}" for name, value in made.changes.items())
    return f"{of}{f' to {until}' if until else ''}{f', with {differs}' if differs else ''}"


def _print(built: Built) -> None:
    done, digest = built.replayed, built.digest
    say(
        f"{done.generation}: {done.records:,} records in {done.seconds:,.1f} s, "
        f"{done.per_second:,.0f} a second; {digest.facts:,} facts"
    )
    say(f"{digest.digest}  {'at rest' if done.rests else 'as it goes on'}")


class _Bar:
    """How far it is, on stderr: a bar on a terminal, else a line now and then."""

    _EVERY_S = 10.0

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._is_shown = console.is_terminal
        self._bar = Progress(
            BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), console=console,
            transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None)
        self._said_s = 0.0

    def __enter__(self) -> "_Bar":
        if self._is_shown:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._bar.stop()

    def show(self, now: Now) -> None:
        rate = now.read_now / max(now.seconds, 0.001)
        left = now.of - now.read
        eta = f", {left / rate:,.0f} s left" if left and rate else ""
        behind = ", ".join(f"{stage} {count:,}" for stage, count in now.behind.items() if count)
        words = f"{rate:,.0f} a second{eta}; behind: {behind or 'nothing'}"
        if self._is_shown:
            self._bar.update(self._task, completed=now.read, total=now.of, description=words)
        elif now.seconds - self._said_s >= self._EVERY_S:
            self._said_s = now.seconds
            note(f"  {now.read:,} of {now.of:,} records, {words}")
