"""Whether the topics that a worker reads are still those that it began with."""

import asyncio
from collections.abc import Mapping

from streams.broker import admin
from streams.errors import BrokerError, SettingsError, TopicError
from streams.kafka import connection
from streams.settings import Settings
from streams.topics import recreated

_EVERY_S = 10.0


async def watch_topics(settings: Settings, known: Mapping[str, str]) -> None:
    """Look at the topics now and then, until cancelled.

    A topic that is made again while it is read shows in its offsets only as long as it is shorter
    than what was read before.

    Args:
        settings: of the worker.
        known: full name -> topic id at the start of the worker.

    Raises:
        TopicError: one was deleted and made again.
    """
    # Once: certificate files that are being renewed may not fit each other for a moment.
    options = connection.options(settings)
    while known:
        await asyncio.sleep(_EVERY_S)
        try:
            found = await admin.describe(settings.kafka, known, options=options)
        except (BrokerError, SettingsError):
            # Who reads and writes will notice too, if it is so: a password that was changed, or a
            # certificate that has expired, does not end the connections that there are.
            continue
        if again := recreated(known, found):
            raise TopicError("; ".join(f"{each.topic} {each.words}" for each in again))
