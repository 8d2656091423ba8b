"""What a consumer knows of the ends of its partitions."""

from types import SimpleNamespace

from aiokafka.structs import TopicPartition

from streams.transport import SpanConsumer

TP0 = TopicPartition("events", 0)


def ends_with(subscription):
    consumer = SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))
    thread = SimpleNamespace(_ensure_consumer=lambda: consumer)
    return SpanConsumer.known_ends(SimpleNamespace(_thread=thread))


def test_between_two_subscriptions_no_end_is_known():
    assert ends_with(None) == {}


def test_between_two_assignments_no_end_is_known():
    assert ends_with(SimpleNamespace(assignment=None)) == {}


def test_the_end_is_told_of_partitions_of_which_kafka_has_told_it():
    states = {
        TP0: SimpleNamespace(highwater=10),
        TopicPartition("events", 1): SimpleNamespace(highwater=None),
    }
    assignment = SimpleNamespace(active=True, tps=list(states), state_value=states.get)
    assert ends_with(SimpleNamespace(assignment=assignment)) == {TP0: 10}
