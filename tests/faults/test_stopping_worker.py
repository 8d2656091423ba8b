"""The worker that stops itself is, but for that, the worker that users run."""

import inspect

import pytest

from streams.kafka.producer import Producer
from tests.faults.stopping_worker import stop_before


def test_it_sends_as_others_do(monkeypatch: pytest.MonkeyPatch):
    real = Producer.send
    monkeypatch.setattr(Producer, "send", real)  # put back at the end
    stop_before(2)
    assert Producer.send is not real
    now, then = (inspect.signature(each).parameters for each in (Producer.send, real))
    assert [(each.name, each.kind, each.default) for each in now.values()] == [
        (each.name, each.kind, each.default) for each in then.values()
    ]
