"""`cartograph config|broker|topics|ontology`: what must stand before a worker starts."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from streams.broker import admin, process
from streams.cli.shell import (
    FOUND_WRONG,
    JSON,
    broker_folder,
    group,
    note,
    say,
    settings,
    show,
    table,
    told,
)
from streams.control.topic_plan import planned
from streams.errors import SettingsError
from streams.kafka.connection import options
from streams.rights import Right, rights
from streams.settings import Settings
from topology.ontology_import import shopify_to_toml

config = group("Settings, from the environment (CARTOGRAPH_*) and cartograph.toml.")
broker = group("The embedded Kafka, for a laptop, the demo and tests.")
topics = group("The topics of the graph.")
ontology = group("Product types, attributes and relations.")


@config.command("show")
@told
def config_show(
    redacted: Annotated[
        bool, typer.Option("--redacted/--names-only", help="Values, but never secrets.")
    ] = True,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Print every setting as it is now; secrets are never shown."""
    shown = settings().redacted() if redacted else dict.fromkeys(settings().redacted(), "")
    show(shown, as_json=as_json, text=lambda: table(("setting", "value"), shown.items()))


@broker.command("start")
@told
def broker_start(as_json: Annotated[bool, JSON] = False) -> None:
    """Start it in the background, on loopback; it lives until `cartograph broker stop`."""
    started = process.start(broker_folder(settings()), detach=True)
    value = {"address": started.address, "pid": started.pid, "folder": str(started.folder)}
    show(
        value,
        as_json=as_json,
        text=lambda: say(
            f"Kafka answers at {started.address} (pid {started.pid}, data in {started.folder}).\n"
            f"Use it with CARTOGRAPH_KAFKA={started.address}; stop it: `cartograph broker stop`."
        ),
    )


@broker.command("stop")
@told
def broker_stop(as_json: Annotated[bool, JSON] = False) -> None:
    """Stop it; its data is kept."""
    ran = process.stop(broker_folder(settings()))
    show(
        {"stopped": ran},
        as_json=as_json,
        text=lambda: say("stopped" if ran else "it was not running"),
    )


@broker.command("status")
@told
def broker_status(as_json: Annotated[bool, JSON] = False) -> None:
    """Whether it runs, and where; exit code 1 if it does not answer."""
    found = process.status(broker_folder(settings()))
    value = {
        "running": found.running,
        "answers": found.answers,
        "address": found.address,
        "pid": found.pid,
        "folder": str(found.folder),
        "note": found.note,
    }
    show(value, as_json=as_json, text=lambda: table(("", ""), list(value.items())))
    if not found.answers:
        raise typer.Exit(FOUND_WRONG)


def address_of(found: Settings) -> str:
    """Where Kafka is: the setting, else the embedded broker if it runs.

    Raises:
        SettingsError: neither.
    """
    if found.kafka:
        return found.kafka
    status = process.status(broker_folder(found))
    if status.answers and status.address:
        return status.address
    raise SettingsError(
        "no Kafka: set CARTOGRAPH_KAFKA=HOST:PORT, or start the embedded one with "
        "`cartograph broker start`"
    )


@topics.command("apply")
@told
def topics_apply(as_json: Annotated[bool, JSON] = False) -> None:
    """Create the topics that are missing; existing ones are looked at, never changed.

    Those of stages that `cartograph graph drop` has removed stay away.

    Exit code 1 where the graph cannot run on one of them; other differences are only said.
    """
    found = settings()
    found = found.with_(kafka=address_of(found))
    specs = asyncio.run(planned(found))
    done = asyncio.run(admin.apply(found.kafka, specs, options=options(found)))
    value = {
        "created": done.created,
        "existing": done.existing,
        "differences": [msgspec.to_builtins(each) for each in done.differences],
    }

    def text() -> None:
        for name in done.created:
            say(f"created  {name}")
        for name in done.existing:
            say(f"exists   {name}")
        for each in done.differences:
            say(f"{'WRONG   ' if each.blocking else 'differs '} {each.topic} {each.words}")

    show(value, as_json=as_json, text=text)
    if any(each.blocking for each in done.differences):
        raise typer.Exit(FOUND_WRONG)
    if done.differences:
        note("the graph runs on topics that differ so; make them equal with your Kafka's tools")


@topics.command("show")
@told
def topics_show(as_json: Annotated[bool, JSON] = False) -> None:
    """The topics as they should be and as they are."""
    found = settings()
    found = found.with_(kafka=address_of(found))
    specs = asyncio.run(planned(found))
    names = [spec.name for spec in specs]
    actual = asyncio.run(admin.describe(found.kafka, names, options=options(found)))
    rows = [
        (spec.name, spec.partitions, actual[spec.name].partitions if spec.name in actual else 0)
        for spec in specs
    ]
    show(
        msgspec.to_builtins(
            [{"topic": name, "planned": want, "partitions": have} for name, want, have in rows]
        ),
        as_json=as_json,
        text=lambda: table(("topic", "planned", "partitions (0: missing)"), rows),
    )
    if any(want != have for _, want, have in rows):
        raise typer.Exit(FOUND_WRONG)


@topics.command("rights")
@told
def topics_rights(as_json: Annotated[bool, JSON] = False) -> None:
    """The rights that each part needs on a Kafka that gives rights by name (ACLs), and no more."""
    found = rights(settings())
    show(
        [each._asdict() for each in found],
        as_json=as_json,
        text=lambda: table(Right._fields, found),
    )


@ontology.command("import")
@told
def ontology_import(
    what: Annotated[str, typer.Argument(help="The form of the taxonomy: shopify.")],
    folder: Annotated[Path, typer.Argument(help="Where it lies, e.g. its `data` folder.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("ontology.toml"),
) -> None:
    """Turn a public taxonomy into an ontology file; use it with CARTOGRAPH_ONTOLOGY=FILE."""
    if what != "shopify":
        raise SettingsError(f"unknown form {what!r}: only `shopify` can be imported")
    text = shopify_to_toml(folder)
    out.write_text(text, encoding="utf-8")
    say(f"wrote {out} ({text.count(chr(10)):,} lines). Use it with CARTOGRAPH_ONTOLOGY={out}")
