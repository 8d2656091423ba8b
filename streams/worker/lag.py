"""How far every stage is behind, as the offsets that the workers report say."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.broker import handshake
from streams.kafka.connection import options
from streams.settings import Settings
from streams.worker.bounds import Stretch


class Lag(NamedTuple):
    """Records of a stage's input that were not read yet.

    Attributes:
        read, end: summed over the topic's partitions, from where the stage was to begin.
    """

    stage: str
    topic: str
    read: int
    end: int

    @property
    def behind(self) -> int:
        """Records still to be read."""
        return self.end - self.read


async def lags(
    settings: Settings, inputs: Mapping[str, Iterable[str]], stretch: Stretch | None = None
) -> list[Lag]:
    """Lag by stage and input topic.

    Args:
        settings: where Kafka is, and the prefix of the groups.
        inputs: stage -> full names of its input topics.
        stretch: what of them is to be read, by full name; None: all.

    Raises:
        BrokerError: the broker does not answer.
    """
    stretch = stretch or Stretch()
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, **options(settings))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, enable_auto_commit=False, **options(settings)
    )
    try:
        await admin.start()
        await consumer.start()
        found = []
        for stage, topics in inputs.items():
            told = await admin.list_consumer_group_offsets(settings.group(stage))
            read = {(tp.topic, tp.partition): meta.offset for tp, meta in told.items()}
            for topic in topics:
                numbers = sorted(consumer.partitions_for_topic(topic) or ())
                if not numbers:
                    await consumer._client.force_metadata_update()
                    known = await consumer._client.fetch_all_metadata()
                    numbers = sorted(known.partitions_for_topic(topic) or ())
                ends = await consumer.end_offsets([TopicPartition(topic, n) for n in numbers])
                firsts = await consumer.beginning_offsets(
                    [TopicPartition(topic, n) for n in numbers]
                )
                done = lasts = 0
                for n in numbers:
                    begin = stretch.start(topic, n)
                    end = stretch.within(topic, n, ends[TopicPartition(topic, n)])
                    at = max(read.get((topic, n), -1), firsts[TopicPartition(topic, n)], begin)
                    done += min(at, end) - begin
                    lasts += end - begin
                found.append(Lag(stage, topic, done, lasts))
    except (KafkaError, OSError) as error:
        raise await handshake.why(settings.kafka, options(settings), error) from error
    finally:
        await consumer.stop()
        await admin.close()
    return found
