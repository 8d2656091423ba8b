"""Which generation a command means whose operator named none: the one that answers.

A command that asks Kafka anyhow asks it for that too; one that works without a broker goes by what
workers noted, and by what stands in the data folder or at the place of checkpoints.
"""

import asyncio

from streams.checkpoint.place import graphs_at
from streams.checkpoint.wiring import url_of
from streams.cli.setup import address_of
from streams.cli.shell import note
from streams.control import generation_log, generation_note
from streams.control.generations import LIVE
from streams.settings import Settings


def serving(found: Settings) -> Settings:
    """Settings of the generation that is named, else of the one that answers; asks Kafka.

    Raises:
        BrokerError, TopicError: the control topic cannot be read.
        StateError: there is no such generation.
    """
    return asyncio.run(generation_log.as_serving(found.with_(kafka=address_of(found))))


def stored(found: Settings) -> Settings:
    """The same, of those that have stores on this machine; asks no Kafka.

    Raises:
        StateError: there are several, and nothing says which one is meant.
    """
    there = generation_note.here(found)
    return generation_note.chosen(found, there, f"in {found.data_dir}", note)


def stored_as_made(found: Settings) -> Settings:
    """The same, surely with what the generation was set to: what is not noted here Kafka says.

    Raises:
        StateError: see `stored`, or there is no such generation.
        BrokerError, TopicError, SettingsError: it is not noted here, and no Kafka says it.
    """
    own = stored(found)
    known = generation_note.read(found)
    if not own.generation or (known is not None and known.get(own.generation) is not None):
        return own
    named = found.with_(generation=own.generation, kafka=address_of(found))
    return asyncio.run(generation_log.as_run(named))


def every_stored(found: Settings) -> list[Settings]:
    """Those of all generations that have stores on this machine, or of the one that is named."""
    names = [found.generation] if found.generation else generation_note.here(found) or [LIVE]
    return [generation_note.of_name(found, each) for each in names]


def kept(found: Settings) -> Settings:
    """The same as `stored`, of those that have checkpoints at `checkpoint_url`.

    Raises:
        StateError: there are several, and nothing says which one is meant.
        CheckpointError: the settings name no place, or it cannot be listed.
    """
    url = url_of(found)
    there: list[str] = []
    if not found.generation:
        there = generation_note.named_in(found.prefix, graphs_at(url, found.prefix))
    return generation_note.chosen(found, there, f"at {url}", note)
