"""Claims of partitions on `graph.control`: who owns which partition, told by everybody to all.

A claim is a record with key `claim/<stage>/<partition>`; its offset is the incarnation that the
claimer sends under. Every worker reads the whole topic (it is compacted, one partition) and goes
on reading, so that it learns of a later claim for a partition that it holds.

A record with key `reload/<task>` asks all workers that run then to load another bundle; who starts
later loads what its settings name. The record with key `backfill` says how fast workers derive
again what older bundles said; it stands for all who run and who start later. One with key
`checkpoint` asks all who run then for a checkpoint of their partitions. A record with key
`source/<topic>` holds the id that a source topic had when ROUTE read it first, one with key
`secret/<check>` or `secret` a check of the secret that it had (`secret.py`). What there is of
generations of the graph stands there too (`generations.py`).
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.control.generations import Generations
from streams.control.secret import KEY as SECRET
from streams.control.secret import first_record, value_of
from streams.errors import BrokerError
from streams.kafka.producer import Producer
from streams.topics import Names

TOPIC = "control"
_PREFIX, _RELOAD, _BACKFILL, _CHECKPOINT = b"claim/", b"reload/", b"backfill", b"checkpoint"
_SOURCE = b"source/"
_TIMEOUT_S = 30.0
_NOT_OURS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What a record of somebody else raises: other JSON, too deep, or bytes that are no UTF-8."""


class ClaimValue(msgspec.Struct, frozen=True):
    """Value of a claim: which process made it, for people and for itself to know it again."""

    token: str
    worker: str


class Reload(msgspec.Struct, frozen=True):
    """Value of a request to load another bundle.

    Attributes:
        token: names the request, so that who asked finds the answers to it.
        task: "tagging", "cleaning" or "synonyms".
        folder: of the bundle, on every worker's machine; empty: the one that its settings name.
    """

    token: str
    task: str
    folder: str = ""


class BackfillOrder(msgspec.Struct, frozen=True):
    """Value of the order to derive again what older bundles said.

    Attributes:
        rate: things a second and worker process, at most, 0..1,000,000; 0: none.
    """

    rate: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class CheckpointOrder(msgspec.Struct, frozen=True):
    """Value of a request for a checkpoint: the id that it is to have."""

    checkpoint: str


class Claim(NamedTuple):
    """A claim that this process made: its offset, and that of the claim before it."""

    offset: int
    last: int | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ClaimValue).decode
_decode_backfill = msgspec.json.Decoder(BackfillOrder).decode
_decode_checkpoint = msgspec.json.Decoder(CheckpointOrder).decode
_decode_reload = msgspec.json.Decoder(Reload).decode


def claim_key(stage: str, partition: int) -> bytes:
    """Key of a claim record."""
    return b"claim/%s/%d" % (stage.encode(), partition)


def reload_record(request: Reload) -> tuple[bytes, bytes]:
    """Key and value of a request to load another bundle."""
    return _RELOAD + request.task.encode(), _encode(request)


def backfill_record(order: BackfillOrder) -> tuple[bytes, bytes]:
    """Key and value of the order to backfill."""
    return _BACKFILL, _encode(order)


def checkpoint_record(order: CheckpointOrder) -> tuple[bytes, bytes]:
    """Key and value of a request for a checkpoint."""
    return _CHECKPOINT, _encode(order)


class Control:
    """Follows the control topic and makes claims.

    Args:
        worker: a name for people, e.g. "shoppers-0".
        on_foreign: told (stage, partition, offset, worker) of every claim of another process that
            arrives after `start`.

    Attributes:
        source_ids: full name of a source topic -> the id noted last.
    """

    def __init__(
        self,
        address: str,
        names: Names,
        producer: Producer,
        *,
        worker: str,
        on_foreign: Callable[[str, int, int, str], None],
        options: Mapping[str, Any],
    ) -> None:
        self._tp = TopicPartition(names.of(TOPIC), 0)
        self._producer = producer
        self._worker = worker
        self._token = secrets.token_hex(8)
        self._on_foreign = on_foreign
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=address,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=250,
            **options,
        )
        self.generations = Generations()
        self._last: dict[bytes, int] = {}
        self._own: dict[int, Claim] = {}
        self.source_ids: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        self.on_reload: Callable[[Reload], None] = lambda request: None
        self.on_backfill: Callable[[BackfillOrder], None] = lambda order: None
        self.on_checkpoint: Callable[[CheckpointOrder], None] = lambda order: None

    async def start(self) -> None:
        """Read all claims there are, then follow.

        Raises:
            BrokerError: the topic cannot be read.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._consumer.start()
                self._consumer.assign([self._tp])
                ends = await self._consumer.end_offsets([self._tp])
                begins = await self._consumer.beginning_offsets([self._tp])
                self._consumer.seek(self._tp, begins[self._tp])
                while await self._consumer.position(self._tp) < ends[self._tp]:
                    await self._read(told=False)
        except (KafkaError, TimeoutError) as error:
            raise BrokerError(
                f"{self._tp.topic} cannot be read ({type(error).__name__} {error}): "
                "look at `cartograph topics show`"
            ) from error
        self._following = asyncio.create_task(self._follow(), name="control")

    async def stop(self) -> None:
        """Stop following and disconnect."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self._consumer.stop()

    def last_claim(self, stage: str, partition: int) -> int | None:
        """Offset of the last claim of a partition that was read; None: nobody ever claimed it."""
        return self._last.get(claim_key(stage, partition))

    async def note_source(self, topic: str, topic_id: str) -> None:
        """Note the id of a source topic (full name), for every ROUTE process that starts later."""
        await self._producer.send_one(TOPIC, _SOURCE + topic.encode(), topic_id.encode())

    async def note_secret(self, secret: bytes) -> bytes:
        """Note a check of the secret, for all who have one; the first that anybody noted.

        Raises:
            BrokerError: Kafka does not answer in time.
        """
        await self._producer.send_one(TOPIC, *first_record(secret))
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._changed:
                await self._changed.wait_for(lambda: self.generations.secret)
        except TimeoutError as error:
            raise BrokerError(
                f"what was written to {self._tp.topic} does not come back: is Kafka up?"
            ) from error
        return self.generations.secret

    async def replace_secret(self, secret: bytes) -> None:
        """Note a check of the secret in place of any that was noted before."""
        await self._producer.send_one(TOPIC, SECRET, value_of(secret))

    async def claim(self, stage: str, partitions: Iterable[int]) -> dict[int, Claim]:
        """Claim partitions; returns once every claim was also read back.

        Raises:
            BrokerError: Kafka does not answer in time.
        """
        value = _encode(ClaimValue(self._token, self._worker))
        wanted = list(partitions)
        sends = (self._producer.send_one(TOPIC, claim_key(stage, each), value) for each in wanted)
        offsets = await asyncio.gather(*sends)
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._changed:
                await self._changed.wait_for(lambda: all(each in self._own for each in offsets))
        except TimeoutError as error:
            raise BrokerError(
                f"claims on {self._tp.topic} were written but do not come back: is Kafka up?"
            ) from error
        return {each: self._own.pop(offset) for each, offset in zip(wanted, offsets, strict=True)}

    async def _follow(self) -> None:
        try:
            while True:
                await self._read(told=True)
        except KafkaError as error:
            self.on_failure(BrokerError(f"{self._tp.topic} cannot be followed ({error})"))
        except Exception as error:  # noqa: BLE001 - who hears of no later claims may not go on
            self.on_failure(error)

    async def _read(self, *, told: bool) -> None:
        for records in (await self._consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                self._take(record.offset, record.key, record.value, told=told)
            async with self._changed:
                self._changed.notify_all()

    def _take(self, offset: int, key: bytes | None, value: bytes | None, *, told: bool) -> None:
        if key is None or value is None:
            return
        if key.startswith(_RELOAD) and told:
            with contextlib.suppress(*_NOT_OURS):
                self.on_reload(_decode_reload(value))
        if key == _CHECKPOINT and told:
            with contextlib.suppress(*_NOT_OURS):
                self.on_checkpoint(_decode_checkpoint(value))
        self.generations.take(key, value)
        if key == _BACKFILL:
            with contextlib.suppress(*_NOT_OURS):
                self.on_backfill(_decode_backfill(value))
        if key.startswith(_SOURCE):
            name = key.removeprefix(_SOURCE).decode(errors="replace")
            self.source_ids[name] = value.decode(errors="replace")
        if not key.startswith(_PREFIX):
            return
        try:
            claim = _decode(value)
            stage, partition = key.removeprefix(_PREFIX).rsplit(b"/", 1)
            number = int(partition)
            told_stage = stage.decode()
        except _NOT_OURS:
            return  # not one of ours: nothing that a claim could mean
        last, self._last[key] = self._last.get(key), offset
        if claim.token == self._token:
            self._own[offset] = Claim(offset, last)
        elif told:
            self._on_foreign(told_stage, number, offset, claim.worker)
