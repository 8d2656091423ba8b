"""`cartograph dead-letters list|show|retry|drop`: what could not be read, and what was done."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from streams.cli import which
from streams.cli.dead_letter_choice import NAMED, All, choosing, must_choose
from streams.cli.shell import FOUND_WRONG, JSON, group, note, say, settings, show, table, told
from streams.control import generation_log
from streams.control.claims import TOPIC as CONTROL
from streams.control.secret import refuse_other
from streams.dead_letters import STATES, TOPIC, DeadLetter, mark
from streams.errors import SettingsError
from streams.retry.again import Retried, Retry, chunks
from streams.retry.book import Count, Standing, Where, count_up, history
from streams.retry.topic import DeadLetters, Produced
from streams.route.checks import NAME as ROUTE
from streams.settings import Settings

dead_letters = group("What could not be read: where it stands, why, and what became of it.")

_INNER = (
    "cannot be retried: it was refused by a stage behind ROUTE; what sent it keeps the truth. See "
    "“Dead letters” in deploy/RUNBOOK.md"
)


class Row(msgspec.Struct):
    """A dead letter as it is listed.

    Attributes:
        letter: "topic/partition/offset/item".
        noted: when, ISO 8601, UTC, by Kafka's clock.
        size: of the record's value in bytes; sha256: of it, hex.
    """

    letter: str
    noted: str
    stage: str
    reason: str
    detail: str
    state: str
    retries: int
    size: int
    sha256: str


class Listed(msgspec.Struct):
    """What `list` found: how many letters are meant, the newest of them, records not ours."""

    found: int
    letters: list[Row]
    unread: int


class Shown(msgspec.Struct):
    """All about a letter: `now` is what ROUTE would make of it, `history` what was done."""

    letter: Row
    now: str
    history: list[str]


class Done(msgspec.Struct):
    """What a command did: state -> letters; those of inner stages; why ROUTE still refuses some."""

    states: Counter[str]
    inner: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, each: Retried) -> None:
        """Count one more."""
        if each.state is None:
            self.inner += 1
        else:
            self.states[each.state] += 1
        if each.state == "failed":
            self.refused[each.reason] += 1


@dead_letters.command("list")
@told
@choosing
def letters_list(
    where: Where,
    counts: Annotated[bool, typer.Option("--counts", help="How many of each kind.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Print dead letters that somebody should do something about, the newest last."""
    if counts:
        counted = asyncio.run(_counts(_graphs(), where))
        show(counted, as_json=as_json, text=lambda: _print_counts(counted))
        return
    listed = asyncio.run(_list(_graphs(), where, limit))
    show(listed, as_json=as_json, text=lambda: _print_listed(listed))


@dead_letters.command("show")
@told
def letters_show(
    letter: Annotated[str, typer.Argument(help=NAMED)],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Print all about a dead letter, and what ROUTE would make of its record now.

    Nothing of the record itself is printed (it may name a person), and nothing is sent.
    """
    found = asyncio.run(_show(_graphs(), letter))
    if not found:
        raise SettingsError(
            f"there is no dead letter {letter}: see `cartograph dead-letters list --state all`"
        )
    show(found, as_json=as_json, text=lambda: _print_shown(found))


@dead_letters.command("retry")
@told
@choosing
def letters_retry(
    where: Where,
    every: All = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send and mark nothing.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Send records through ROUTE again, under the settings of now; exit code 1 if some cannot be.

    Each record is read again from its source topic. What comes of it has the ids that it would have
    had at first, so that nothing counts twice, however often this is called. What ROUTE refuses
    again is marked `failed`, and waits.
    """
    must_choose(where, every=every)
    graphs = _graphs()
    asyncio.run(_check_secret(graphs[0]))
    done = asyncio.run(_retry(graphs, where, dry_run=dry_run))
    show(done, as_json=as_json, text=lambda: _print_done(done))
    if dry_run:
        note("nothing was sent or marked: --dry-run")
    if done.inner or not done.states.keys() <= {"sent", "unused"}:
        raise typer.Exit(FOUND_WRONG)


@dead_letters.command("drop")
@told
@choosing
def letters_drop(
    where: Where,
    every: All = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Mark dead letters as dealt with: `list` leaves them out from then on (`--state dropped`)."""
    must_choose(where, every=every)
    done = asyncio.run(_drop(_graphs(), where))
    show(done, as_json=as_json, text=lambda: _print_done(done))


def _graphs() -> list[Settings]:
    """The first graph, for ROUTE is its own whichever answers, and then the one that answers.

    Where the settings name one, that one alone.
    """
    found = settings()
    own = which.serving(found)
    if found.generation or not own.generation:
        return [own]
    return [generation_log.of_base(found.with_(kafka=own.kafka)), own]


async def _counts(graphs: Sequence[Settings], where: Where) -> list[Count]:
    counted: Counter[Count] = Counter()
    for found in graphs:
        async with DeadLetters(found) as topic:
            async for page in topic.standing(where):
                for each in count_up(page):
                    counted[msgspec.structs.replace(each, letters=0)] += each.letters
    return [msgspec.structs.replace(kind, letters=n) for kind, n in counted.most_common()]


async def _list(graphs: Sequence[Settings], where: Where, limit: int) -> Listed:
    meant, unread, every = 0, 0, list[Standing]()
    for found in graphs:
        newest = list[Standing]()
        async with DeadLetters(found) as topic:
            async for page in topic.standing(where):
                meant += len(page)
                newest = (newest + page)[-limit:]
            unread += topic.unread
        every += newest
    if len(graphs) > 1:
        every.sort(key=lambda each: each.at_ms)
    return Listed(meant, [_row(each) for each in every[-limit:]], unread)


async def _show(graphs: Sequence[Settings], name: str) -> list[Shown]:
    return [each for found in graphs for each in await _shown(found, name)]


async def _shown(found: Settings, name: str) -> list[Shown]:
    async with DeadLetters(found) as topic:
        pages = topic.standing(Where(frozenset((name,)), states=None))
        letters = [each async for page in pages for each in page]
        of_route = [each for each in letters if each.stage == ROUTE]
        tried = await Retry(found, topic).try_out(of_route) if of_route else []
        now = {each.letter: each for each in tried}
        about = await topic.marks({each.letter.name for each in letters})
        return [
            Shown(
                _row(each),
                _now(now[each.letter]) if each.letter in now else _INNER,
                [
                    f"{_time(at_ms)} {done.did} {done.reason} {done.detail}".rstrip()
                    for at_ms, done in history(about, each.letter)
                ],
            )
            for each in letters
        ]


async def _check_secret(found: Settings) -> None:
    base = generation_log.of_base(found)
    refuse_other((await generation_log.read(base)).secret, base.key(), base.topic(CONTROL))


async def _retry(graphs: Sequence[Settings], where: Where, *, dry_run: bool) -> Done:
    done = Done(Counter())
    for found in graphs:
        async with DeadLetters(found) as topic:
            retry = Retry(found, topic)
            run = retry.try_out if dry_run else retry.send
            async for page in topic.standing(where):
                for lot in chunks(page):
                    for each in await run(lot):
                        done.add(each)
    return done


async def _drop(graphs: Sequence[Settings], where: Where) -> Done:
    done = Done(Counter())
    for found in graphs:
        async with DeadLetters(found) as topic:
            async for page in topic.standing(where):
                marks = [mark(each.letter, "dropped") for each in page]
                await topic.produce([Produced(found.topic(TOPIC), 0, *each) for each in marks])
                done.states["dropped"] += len(page)
    return done


def _now(tried: Retried) -> str:
    if tried.state == "failed":
        return f"refused: {tried.reason}: {tried.detail}"
    if tried.state in ("gone", "changed"):
        return STATES[tried.state].removeprefix("retried, and ")
    words = f"{tried.events} events and {tried.products} products"
    return f"{words}, too late to count" if tried.state == "late" else words


def _row(each: Standing) -> Row:
    letter: DeadLetter = each.letter
    return Row(
        letter.name,
        _time(each.at_ms),
        each.stage,
        letter.reason,
        letter.detail,
        each.state,
        each.retries,
        letter.size,
        letter.sha256,
    )


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")


def _print_counts(counted: list[Count]) -> None:
    table(
        ("stage", "topic", "reason", "state", "letters"),
        [(each.stage, each.topic, each.reason, each.state, each.letters) for each in counted],
    )
    say(f"{sum(each.letters for each in counted):,} dead letters")


def _print_listed(listed: Listed) -> None:
    table(
        ("noted", "letter", "stage", "reason", "detail", "state"),
        [(r.noted, r.letter, r.stage, r.reason, r.detail, r.state) for r in listed.letters],
        unbroken="letter",
    )
    left = listed.found - len(listed.letters)
    more = f"; {left:,} older ones: --limit, --counts" if left else ""
    say(f"{listed.found:,} dead letters{more}")
    if listed.unread:
        note(f"{listed.unread:,} records of the topic are not Cartograph's: passed over")


def _print_shown(found: list[Shown]) -> None:
    for each in found:
        row = each.letter
        fields = [(name, getattr(row, name)) for name in row.__struct_fields__]
        table(("", ""), [*((name, str(value)) for name, value in fields), ("now", each.now)])
        for line in each.history:
            say(f"  {line}")


def _print_done(done: Done) -> None:
    table(
        ("state", "letters", "that is"),
        [(state, n, STATES[state]) for state, n in done.states.items()],  # type: ignore[index]
    )
    for reason, n in done.refused.most_common():
        say(f"  {n:,} refused again: {reason}")
    if done.states.get("late"):
        note("late ones come in by a replay of the sources alone; see CARTOGRAPH_ALLOWANCE_MS")
    if done.inner:
        note(f"{done.inner:,} {_INNER}")
    if not done.states and not done.inner:
        say("no dead letter is meant")
