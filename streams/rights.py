"""The least rights on Kafka that each part needs, for a cluster that gives rights by name. Pure."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from streams.control.generations import LIVE, Generation
from streams.registry import SPECS
from streams.route.checks import NAME as ROUTE
from streams.settings import STAGES, Settings
from streams.topics import REMAIN, TOPICS

Operation = Literal["READ", "WRITE", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS"]
SERVE: Final = "serve"
SETUP: Final = "topics apply"
SHOP: Final = "play"
FORGET: Final = "forget"
TIDY: Final = "topics tidy"
RETRY: Final = "dead-letters"
ORDERS: Final = "orders"
"""`model reload`, `model backfill`, `checkpoint create` and `prune`."""
REPLAY: Final = "replay"
"""Of a generation beside the first; it runs the stages itself."""
SWAP: Final = "graph swap"
"""`graph list|diff|swap|drop`, where they are about this graph."""
PARTS: Final = (*STAGES, SERVE, SETUP, SHOP, FORGET, TIDY, RETRY, ORDERS, REPLAY, SWAP)


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

    Args:
        settings: where they name a generation, only what is needed for that one. Of one that is
            built from totals `generation_base` must say so.
    """
    if settings.generation not in ("", LIVE):
        return _beside(settings)
    found = _route(settings)
    for stage in STAGES:
        if stage != ROUTE:
            found += _stage(settings, stage)
    every = [topic.name for topic in TOPICS]
    found += _topics(settings, SERVE, ["facts", "control"], "READ", "DESCRIBE_CONFIGS")
    found += _topics(settings, SETUP, every, "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS")
    found += _topics(settings, SETUP, ["control"], "READ")
    found += [Right(SHOP, "topic", name, "WRITE") for name in settings.sources]
    found += _topics(settings, FORGET, ["erasures"], "READ", "WRITE")
    found += _known(settings, FORGET)
    found += _tidy(settings, SPECS)
    found += [Right(RETRY, "topic", name, "READ") for name in settings.sources]
    found += _known(settings, RETRY)
    found += _topics(settings, RETRY, ["events", "catalog", "dead-letters"], "READ", "WRITE")
    found += _topics(settings, ORDERS, ["control"], "READ", "WRITE", "DESCRIBE_CONFIGS")
    gone = [name for name in every if name not in REMAIN]
    return found + _graphs(settings, SPECS, gone)


def _beside(settings: Settings) -> list[Right]:
    """Of a generation beside the first, whose control topic says what there is and what answers."""
    base = settings.with_(generation="", generation_base="events")
    stages = Generation(name=settings.generation, base=settings.generation_base).stages  # type: ignore[arg-type]
    own = settings.names.owned()
    known = _known(settings, "")
    of_stages = [
        right
        for stage in stages
        for right in (*_stage(settings, stage), *(each._replace(part=stage) for each in known))
    ]
    replay = [
        *known,
        *_topics(base, REPLAY, ["control"], "WRITE"),
        *_topics(settings, REPLAY, own, "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS"),
        *of_stages,
    ]
    return [
        *of_stages,
        *(each._replace(part=SERVE) for each in known),
        *_topics(settings, SERVE, ["facts"], "READ", "DESCRIBE_CONFIGS"),
        *_tidy(settings, stages),
        *_known(settings, RETRY),
        *_topics(settings, RETRY, ["dead-letters"], "READ", "WRITE", "DESCRIBE_CONFIGS"),
        *_known(settings, ORDERS),
        *_topics(settings, ORDERS, ["control"], "READ", "WRITE"),
        *dict.fromkeys(each._replace(part=REPLAY) for each in replay),
        *_graphs(settings, stages, own),
    ]


def _tidy(settings: Settings, stages: Iterable[str]) -> list[Right]:
    totals = dict.fromkeys(name for stage in stages for name in SPECS[stage].outputs)
    return [*_known(settings, TIDY), *_topics(settings, TIDY, totals, "READ", "WRITE")]


def _known(settings: Settings, part: str) -> list[Right]:
    """To ask which generations there are, and which one answers."""
    base = settings.with_(generation="", generation_base="events")
    return _topics(base, part, ["control"], "READ", "DESCRIBE_CONFIGS")


def _graphs(settings: Settings, stages: Iterable[str], owned: Iterable[str]) -> list[Right]:
    """To say that this graph answers, how far it is, and to remove it."""
    base = settings.with_(generation="", generation_base="events")
    inputs = dict.fromkeys(name for stage in stages for name in SPECS[stage].inputs)
    return [
        *_topics(base, SWAP, ["control"], "READ", "WRITE", "DESCRIBE_CONFIGS"),
        *_topics(base, SWAP, ["erasures"], "READ"),
        *_topics(settings, SWAP, inputs, "DESCRIBE"),
        *_topics(settings, SWAP, owned, "DELETE", "DESCRIBE_CONFIGS"),
        *(Right(SWAP, "group", settings.group(stage), "DELETE") for stage in stages),
    ]


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
