"""How far behind a consumer says that it is."""

from types import SimpleNamespace

from aiokafka.structs import TopicPartition

from streams.transport import SpanConsumer

TP0 = TopicPartition("events", 0)


def lags_with(subscription):
    consumer = SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))
    thread = SimpleNamespace(_ensure_consumer=lambda: consumer)
    return SpanConsumer.lags(SimpleNamespace(_thread=thread))


def test_between_two_subscriptions_no_lag_is_known():
    assert lags_with(None) == {}


def test_between_two_assignments_no_lag_is_known():
    assert lags_with(SimpleNamespace(assignment=None)) == {}


def test_the_lag_is_what_was_not_handed_out_yet_where_both_ends_are_known():
    states = {
        TP0: SimpleNamespace(highwater=10, _position=4),
        TopicPartition("events", 1): SimpleNamespace(highwater=None, _position=4),
    }
    assignment = SimpleNamespace(active=True, tps=list(states), state_value=states.get)
    assert lags_with(SimpleNamespace(assignment=assignment)) == {TP0: 6}
