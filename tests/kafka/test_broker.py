"""The embedded broker: one a folder, found again by any process, its data kept."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.broker import admin, identity, probe, process, resolve
from streams.broker.properties import HEADER, MAX_MESSAGE_BYTES, Ports, read_ports, render
from streams.errors import BrokerError
from streams.topics import Names, plan

real_broker = pytest.mark.kafka


async def _send(address: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=address, max_request_size=MAX_MESSAGE_BYTES, compression_type="lz4"
    )
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=b"k", partition=0)
    finally:
        await producer.stop()


async def _read_all(address: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 20 s"
        time.sleep(0.02)


@real_broker
def test_data_and_address_survive_a_restart(tmp_path: Path) -> None:
    topic = Names().events
    with process.running(tmp_path) as first:
        asyncio.run(admin.apply(first.address, plan(Names(), 1, 1)))
        asyncio.run(_send(first.address, topic, b"kept"))
    assert process.status(tmp_path).note == "stopped; its data is kept"
    with process.running(tmp_path) as second:
        assert second.address == first.address
        assert asyncio.run(_read_all(second.address, topic)) == [b"kept"]


@real_broker
def test_a_killed_broker_is_seen_and_its_data_is_there_after_a_quick_start(tmp_path: Path) -> None:
    topic = Names().claims
    first = process.start(tmp_path, detach=False)
    asyncio.run(admin.apply(first.address, plan(Names(), 1, 1)))
    asyncio.run(_send(first.address, topic, b"kept"))
    os.kill(first.pid, signal.SIGKILL)
    _until(lambda: not process.status(tmp_path).running)
    assert process.status(tmp_path).note == "ended without being stopped; its data is kept"
    begun = time.monotonic()
    with process.running(tmp_path) as second:
        # Kafka refuses a broker until its last session is over: 31 s with our settings for calm,
        # and the start itself besides, which takes a busy machine more than 10 s.
        assert time.monotonic() - begun < 31
        assert asyncio.run(_read_all(second.address, topic)) == [b"kept"]


@real_broker
def test_one_folder_has_one_broker_that_every_process_finds(tmp_path: Path) -> None:
    with process.running(tmp_path) as broker:
        with pytest.raises(BrokerError, match=f"already runs on .* \\(pid {broker.pid}"):
            process.start(tmp_path, detach=False)
        program = (
            "import sys, pathlib; from streams.broker import process; "
            "s = process.status(pathlib.Path(sys.argv[1])); print(s.pid, s.address, s.answers)"
        )
        seen = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
        )
        assert seen.stdout.split() == [str(broker.pid), broker.address, "True"]
        assert process.stop(tmp_path)
        assert not process.stop(tmp_path)
    status = process.status(tmp_path)
    assert (status.running, status.answers, status.pid) == (False, False, None)
    assert status.address == broker.address
    assert not probe.answers(broker.address)


@contextlib.contextmanager
def taken(address: str) -> Iterator[socket.socket]:
    """Another program listens there."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        other.listen()
        yield other


@real_broker
def test_a_taken_port_is_exchanged_for_another(tmp_path: Path) -> None:
    with process.running(tmp_path) as first:
        pass
    with taken(first.address), process.running(tmp_path) as second:
        assert second.address != first.address
        assert process.status(tmp_path).address == second.address
        assert asyncio.run(admin.describe(second.address, ["absent"])) == {}


@real_broker
def test_a_port_that_its_last_owner_is_leaving_is_waited_for(tmp_path: Path) -> None:
    with process.running(tmp_path) as first:
        pass
    with taken(first.address) as leaving:
        gone = threading.Timer(1.0, leaving.close)
        gone.start()
        with process.running(tmp_path) as second:
            assert second.address == first.address
        gone.join()


@real_broker
@pytest.mark.parametrize("detach", [False, True])
def test_a_broker_dies_with_its_owner_unless_detached(tmp_path: Path, detach: bool) -> None:
    # Started from a thread that ends at once: Linux would take that for the owner's end.
    program = (
        "import sys, pathlib, threading; from streams.broker import process\n"
        "folder, detach = pathlib.Path(sys.argv[1]), sys.argv[2] == 'True'\n"
        "t = threading.Thread(target=process.start, args=(folder,), kwargs={'detach': detach})\n"
        "t.start(); t.join(); print('up', flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(detach)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        assert process.status(tmp_path).answers
        owner.kill()
        owner.communicate()
        if detach:
            assert process.status(tmp_path).answers
        else:
            _until(lambda: not process.status(tmp_path).running)
    finally:
        owner.kill()
        owner.communicate()
        process.stop(tmp_path)


@real_broker
@pytest.mark.parametrize("formatted", [False, True])
def test_a_failed_start_shows_what_kafka_said_and_leaves_nothing(
    tmp_path: Path, formatted: bool
) -> None:
    if formatted:
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "meta.properties").touch()
    with pytest.raises(BrokerError) as raised:
        process.start(tmp_path, detach=False, properties={"num.io.threads": "many"})
    assert "Invalid value many for configuration num.io.threads" in str(raised.value)
    assert (str(tmp_path / "broker.log") in str(raised.value)) == formatted
    assert not process.status(tmp_path).running


def test_values_of_10_mb_pass(kafka: str, create_topic: Callable[..., str]) -> None:
    topic = create_topic("large")
    value = os.urandom(10 * 1024 * 1024)
    asyncio.run(_send(kafka, topic, value))
    (read,) = asyncio.run(_read_all(kafka, topic))
    assert sha256(read).digest() == sha256(value).digest()


@real_broker
def test_asking_for_a_topic_never_makes_it(tmp_path: Path) -> None:
    creates_by_itself = {"auto.create.topics.enable": "true"}
    with process.running(tmp_path, properties=creates_by_itself) as broker:
        for _ in range(2):
            assert asyncio.run(admin.describe(broker.address, ["absent"])) == {}
            time.sleep(0.1)


@pytest.mark.parametrize("noted", ["own pid", "dead pid", "no number", "no json", "nothing"])
def test_a_stale_note_of_a_broker_is_not_believed(tmp_path: Path, noted: str) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    text = {
        # As when the pid was given to another program after the broker's end.
        "own pid": json.dumps({"pid": os.getpid(), "address": "127.0.0.1:1"}),
        "dead pid": json.dumps({"pid": gone.pid, "address": "127.0.0.1:1"}),
        "no number": json.dumps({"pid": None, "address": "127.0.0.1:1"}),
        "no json": "{",
        "nothing": "",
    }[noted]
    identity.file(tmp_path).write_text(text)
    assert not process.status(tmp_path).running
    assert not process.stop(tmp_path)
    assert not identity.file(tmp_path).exists()


def test_a_process_is_known_by_its_command_line_even_with_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "input()", *identity.arguments(folder)], stdin=subprocess.PIPE
    )
    try:
        _until(lambda: identity.is_alive(sleeper.pid, folder))
        assert not identity.is_alive(sleeper.pid, tmp_path)
    finally:
        sleeper.communicate(b"\n")
    assert not identity.is_alive(sleeper.pid, folder)


def test_a_folder_that_another_start_holds_is_refused(tmp_path: Path) -> None:
    with (
        process._start_lock(tmp_path),
        pytest.raises(BrokerError, match="another process is starting"),
    ):
        process.start(tmp_path, detach=False)


def test_settings_of_somebody_else_are_not_overwritten(tmp_path: Path) -> None:
    theirs = "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n"
    (tmp_path / "server.properties").write_text(theirs)
    with pytest.raises(BrokerError, match="not written by cartograph"):
        process.start(tmp_path, detach=False)
    assert (tmp_path / "server.properties").read_text() == theirs


def test_settings_keep_both_ports_and_take_overrides() -> None:
    text = render(Path("/data/logs"), Ports(20001, 20002), {"log.retention.ms": "1", "x": "a\\b"})
    assert read_ports(text) == Ports(20001, 20002)
    lines = text.splitlines()
    assert lines[0] == HEADER
    assert "log.retention.ms=1" in lines
    assert "log.retention.ms=-1" not in lines
    assert "x=a\\\\b" in lines
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:20001" in lines


def _repository(root: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> tuple[str, Path]:
    """A Maven repository with one jar, and no network."""
    name = "org.example:tiny:1.0"
    jar = root / resolve.jar_path(name)
    jar.parent.mkdir(parents=True)
    jar.write_bytes(content)
    monkeypatch.setenv("M2_REPO", str(root))
    monkeypatch.setattr(resolve, "_download", lambda *_: pytest.fail("asked the network"))
    return name, jar


def test_jars_at_hand_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, jar = _repository(tmp_path, monkeypatch, b"jar")
    assert resolve.class_path({name: sha256(b"jar").hexdigest()}) == str(jar)


def test_a_tampered_jar_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, jar = _repository(tmp_path, monkeypatch, b"tampered")
    with pytest.raises(BrokerError, match="not the one this release was tested with") as raised:
        resolve.class_path({name: sha256(b"jar").hexdigest()})
    assert str(jar) in str(raised.value)
    assert "CARTOGRAPH_KAFKA" in str(raised.value)


class _FakeArtifact:
    def __init__(self, path: Path, outcomes: list[bytes | Exception]):
        self.cached_path = path
        self._outcomes = outcomes

    def resolve(self) -> Path:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            self.cached_path.write_bytes(b"half")
            raise outcome
        assert not self.cached_path.exists()
        self.cached_path.write_bytes(outcome)
        return self.cached_path


def test_a_broken_download_is_tried_again_from_the_start(tmp_path: Path) -> None:
    artifact = _FakeArtifact(tmp_path / "a.jar", [ConnectionError("cut"), b"whole"])
    assert resolve._fetch(artifact).read_bytes() == b"whole"


def test_jars_that_cannot_be_had_say_what_to_do(tmp_path: Path) -> None:
    artifact = _FakeArtifact(tmp_path / "a.jar", [ConnectionError("cut")] * 3)
    with pytest.raises(BrokerError, match="set CARTOGRAPH_KAFKA=HOST:PORT"):
        resolve._fetch(artifact)
    assert not artifact.cached_path.exists()


def test_the_jar_list_is_well_formed_and_has_this_kafka() -> None:
    listed = resolve.read_list(resolve.JARS.read_text())
    assert f"org.apache.kafka:kafka_2.13:{resolve.KAFKA_VERSION}" in listed
    versions = [name.partition(":slf4j-")[2] for name in listed if ":slf4j-" in name]
    assert len(versions) == 2
    assert {version.split(":")[1].split(".")[0] for version in versions} == {"1"}


@pytest.mark.parametrize(
    "text",
    [
        "abc  g:a:1\n",
        f"{'0' * 64} g:a:1\n",
        f"{'0' * 64}  g:a\n",
        f"{'0' * 64}  g:a:1\n" * 2,
        f"{'Z' * 64}  g:a:1\n",
    ],
)
def test_a_damaged_jar_list_is_refused(text: str) -> None:
    with pytest.raises(BrokerError, match="restore the file"):
        resolve.read_list(text)


def test_nobody_at_an_address_is_no_broker(kafka: str) -> None:
    assert probe.answers(kafka)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert not probe.answers(address, timeout_s=0.05)
    assert not probe.answers(address)
    with pytest.raises(BrokerError, match="no Kafka answers at"):
        asyncio.run(admin.describe(address, ["graph.events"]))
