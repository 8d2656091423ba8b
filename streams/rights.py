"""The least rights on Kafka that each part needs, for a cluster that gives rights by name. Pure."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from streams.registry import SPECS
from streams.route_checks import NAME as ROUTE
from streams.settings import STAGES, Settings
from streams.topics import TOPICS

Operation = Literal["READ", "WRITE", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"]
SERVE: Final = "serve"
SETUP: Final = "topics apply"
SHOP: Final = "play"
FORGET: Final = "forget"
TIDY: Final = "topics tidy"
RETRY: Final = "dead-letters"
ORDERS: Final = "orders"
"""`model reload`, `model backfill`, `checkpoint create`."""
PARTS: Final = (*STAGES, SERVE, SETUP, SHOP, FORGET, TIDY, RETRY, ORDERS)


class Right(NamedTuple):
    """One line of an access control list that allows something.

    Attributes:
        part: who needs it: a stage, or a command.
        kind: what it is a right to.
        name: of the topic or group, in full.
        operation: as Kafka calls it. READ and WRITE bring DESCRIBE.
    """

    part: str
    kind: Literal["topic", "group"]
    name: str
    operation: Operation


def rights(settings: Settings) -> list[Right]:
    """What each part needs and no more, in the order of `PARTS`.

    Parts may share a user, which then needs the rights of all of them. IDEMPOTENT_WRITE on the
    cluster is needed besides by brokers before Kafka 3.0 (KIP-679).
    """
    found = _route(settings)
    for stage in STAGES:
        if stage != ROUTE:
            found += _stage(settings, stage)
    every = [topic.name for topic in TOPICS]
    found += _topics(settings, SERVE, ["facts", "control"], "READ", "DESCRIBE_CONFIGS")
    found += _topics(settings, SETUP, every, "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")
    found += [Right(SHOP, "topic", name, "WRITE") for name in settings.sources]
    found += _topics(settings, FORGET, ["erasures"], "READ", "WRITE")
    totals = dict.fromkeys(name for spec in SPECS.values() for name in spec.outputs)
    found += _topics(settings, TIDY, totals, "READ", "WRITE")
    found += [Right(RETRY, "topic", name, "READ") for name in settings.sources]
    found += _topics(settings, RETRY, ["events", "catalog", "dead-letters"], "READ", "WRITE")
    return found + _topics(settings, ORDERS, ["control"], "READ", "WRITE")


def _route(settings: Settings) -> list[Right]:
    own = ("events", "catalog", "dead-letters", "control")
    found = [Right(ROUTE, "group", settings.group(ROUTE), "READ")]
    for name in settings.sources:
        found += [
            Right(ROUTE, "topic", name, "READ"),
            Right(ROUTE, "topic", name, "DESCRIBE_CONFIGS"),
        ]
    found += _topics(settings, ROUTE, ["control"], "READ")
    return found + _topics(settings, ROUTE, own, "WRITE", "DESCRIBE_CONFIGS")


def _stage(settings: Settings, stage: str) -> list[Right]:
    spec = SPECS[stage]
    erased = ("erasures",) if spec.forgets else ()
    read = dict.fromkeys((*spec.inputs, "control", *erased))
    written = dict.fromkeys((*spec.outputs, "control", "dead-letters", *erased))
    return [
        Right(stage, "group", settings.group(stage), "READ"),
        *_topics(settings, stage, read, "READ"),
        *_topics(settings, stage, written, "WRITE"),
        *_topics(settings, stage, {**read, **written}, "DESCRIBE_CONFIGS"),
    ]


def _topics(
    settings: Settings, part: str, names: Iterable[str], *operations: Operation
) -> list[Right]:
    listed = list(names)
    return [
        Right(part, "topic", settings.topic(name), operation)
        for operation in operations
        for name in listed
    ]
