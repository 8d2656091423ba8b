"""`cartograph demo`: from nothing to a graph, on a real Kafka, in one command."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams import demo as steps
from streams.cli.sample import print_score
from streams.cli.shell import JSON, note, say, settings, show, table, told
from streams.cli.state import digested
from streams.demo import Steps
from streams.sample.make import Sizes, make
from streams.sample.score import Score, read_planted, score
from streams.serve.ask import Asked, asking
from streams.settings import Settings
from topology.facts import ACCEPTED, Fact
from topology.ontology import default_ontology

QUERY = "shoes for pregnant women"
_SHOWN = 6


class Summary(msgspec.Struct):
    """What `.cartograph/demo/summary.json` says.

    Attributes:
        facts: relation -> status -> number of facts.
        dead_letters: reason -> number.
        seconds: step -> how long it took.
        digest: over facts and their totals.
        score: against what was planted.
    """

    facts: dict[str, dict[str, int]]
    planted_found: int
    decoys_believed: int
    dead_letters: dict[str, int]
    seconds: dict[str, float]
    digest: str
    score: Score


@told
def demo(
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = 1,
    sample: Annotated[Path | None, typer.Option(help="A folder of `sample make`.")] = None,
    kafka: Annotated[str, typer.Option(help="HOST:PORT; else an embedded one.")] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Play a sample shop through a real Kafka and all stages, and print the graph it built."""
    found, timed = settings(), Steps()
    chosen = steps.demo_settings(found, kafka)
    folder = sample or steps.folder_of(found) / f"sample-{seed}"
    if sample is None:
        with timed.step("sample"):
            make(folder, seed, Sizes(), progress=lambda line: note(f"  sample shop: {line}"))
    note("starting Kafka" if not kafka else f"using Kafka at {kafka}")
    with timed.step("whole"):
        summary = _run(chosen, folder, timed, as_json=as_json)
    summary.seconds = timed.seconds
    file = steps.folder_of(found) / "summary.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    show(summary, as_json=as_json, text=lambda: _where_next(file, folder, timed))


def _run(chosen: Settings, folder: Path, timed: Steps, *, as_json: bool) -> Summary:
    with steps.broker(chosen) as running:
        letters = asyncio.run(_stream(running, folder, timed))
        with timed.step("replica"), asking(running, note) as graph:
            facts = list(graph.facts())
            marked = score(facts, read_planted(folder), default_ontology())
            counts = _counts(facts)
            if not as_json:
                _print_graph(graph, facts, counts, letters)
                print_score(marked)
        with timed.step("digest"):
            digest = digested(running).digest
    return Summary(counts, marked.found, marked.believed, letters, {}, digest, marked)


async def _stream(running: Settings, folder: Path, timed: Steps) -> dict[str, int]:
    with timed.step("topics"):
        await steps.make_topics(running)
    note("starting one worker process a stage, and playing the shop")
    async with steps.workers(running) as supervisor:
        with timed.step("play"):
            await steps.play(running, folder, lambda line: note(f"  {line}"))
        with timed.step("stages"):
            await steps.at_rest(running, supervisor, lambda line: note(f"  {line}"))
        with timed.step("stop"):
            supervisor.stop()
    return await steps.dead_letters(running)


def _counts(facts: Iterable[Fact]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for fact in facts:
        of_one = counts.setdefault(fact.relation, {})
        of_one[fact.status] = of_one.get(fact.status, 0) + 1
    return dict(sorted(counts.items()))


def _print_graph(
    graph: Asked,
    facts: list[Fact],
    counts: dict[str, dict[str, int]],
    letters: dict[str, int],
) -> None:
    say()
    rows = [
        (relation, *(of_one.get(status, 0) for status in ("accepted", "held", "rejected")))
        for relation, of_one in counts.items()
    ]
    table(("relation", "accepted", "held", "rejected"), rows)
    if letters:
        table(("dead letters because", "records"), letters.items())
    say("\nWhat it found out, by watching:")
    best = sorted(
        (f for f in facts if f.status == ACCEPTED and f.head.startswith("concept:")),
        key=lambda fact: (-fact.score, fact.id),
    )
    for fact in best[:_SHOWN]:
        say(f"  {fact.head}  {fact.relation}  {fact.tail}   {fact.score:.2f}")
        say(f"      {fact.reason}")
        if fact.evidence.queries:
            say(f"      asked: {'; '.join(fact.evidence.queries[:3])}")
    say(f"\n{QUERY!r}:")
    answer = graph.intents(QUERY, _SHOWN)
    for each in answer.intents:
        say(f"  {each.concept}  {each.score:.2f}   {each.reason}")
    if not answer.intents:
        say("  nothing yet")
    say()


def _where_next(file: Path, folder: Path, timed: Steps) -> None:
    took = "  ".join(f"{name} {seconds:.1f} s" for name, seconds in timed.seconds.items())
    say(f"\ntook: {took}")
    say(f"summary: {file}")
    say("next:  cartograph broker start        a Kafka that stays")
    say("       cartograph topics apply        the topics of a graph of your own")
    say(f"       cartograph play native {folder}/events.jsonl")
    say("       cartograph worker; cartograph serve; README.md has the rest")
