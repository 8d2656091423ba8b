"""Kafka with TLS, passwords and rights: every client of ours, and every way to be refused."""

import asyncio
import datetime as dt
import gc
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from streams.broker import admin, handshake, launch, process
from streams.broker.secured import Secured
from streams.cli.run import _sample
from streams.errors import BrokerError, CartographError, SettingsError, TopicError
from streams.kafka import connection
from streams.play import CATALOG, EVENTS, Played
from streams.playing import Producing
from streams.registry import SPECS
from streams.rights import PARTS, REPLAY, SERVE, SETUP, SHOP, SWAP, Right, rights
from streams.sample.make import Sizes, make
from streams.serve.ask import Local, asking
from streams.settings import STAGES, Settings
from streams.topics import Names, plan
from streams.worker import lag
from tests.authority import Authority
from tests.kafka.generations import beside, call, told
from tests.kafka.helpers import REPOSITORY
from tests.kafka.running import Stages, create_all_topics, facts_of, shop_settings

pytestmark = pytest.mark.kafka

PASSWORD, WRONG = "swordfish-0123456789", "marlin-0123456789"
USERS = {part.replace(" ", "-"): PASSWORD for part in PARTS}
_KINDS = {"topic": 2, "group": 3}
_OPERATIONS = {
    "READ": 3,
    "WRITE": 4,
    "CREATE": 5,
    "DELETE": 6,
    "DESCRIBE": 8,
    "DESCRIBE_CONFIGS": 10,
}
"""Codes of the protocol. Source: Kafka's ResourceType.java and AclOperation.java."""

_LITERAL, _ALLOW = 3, 3


class Place(NamedTuple):
    """A broker with three guarded listeners, and who signs its certificates."""

    plain: str
    secured: Secured
    ours: Authority
    others: Authority


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("secured")
    ours, others = Authority(folder, "ours"), Authority(folder, "others")
    ports = {name: launch.free_ports().clients for name in ("SSL", "SASL_SSL", "SASL_PLAINTEXT")}
    secured = Secured(ports, USERS, ours.issue("broker"), ours.file, rights=True)
    with process.running(folder / "kafka", secured=secured) as broker:
        yield Place(broker.address, secured, ours, others)


def of(place: Place, security: str, **changes: object) -> Settings:
    """Settings of a client that may come in, over a listener of this kind."""
    right = {
        "kafka": place.secured.address(security),
        "kafka_security": security,
        "kafka_ca_file": str(place.ours.file),
        "kafka_user": "route",
        "kafka_password": PASSWORD,
    }
    return Settings().with_(**{**right, **changes})


def allow(place: Place, wanted: list[tuple[str, Right]]) -> None:
    """Give users rights, as an operator of Kafka does."""

    async def work() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=place.plain)
        await client.start()
        try:
            for user, right in wanted:
                answer = await client._send_request(
                    CreateAclsRequest(
                        _KINDS[right.kind],
                        right.name,
                        _LITERAL,
                        f"User:{user}",
                        "*",
                        _OPERATIONS[right.operation],
                        _ALLOW,
                    )
                )
                assert [code for code, _ in answer.creation_responses] == [0], right
        finally:
            await client.close()

    asyncio.run(work())


def refused(settings: Settings) -> CartographError:
    """What a worker is told at its start, before it tries again or ends; no socket stays open."""
    error = asyncio.run(handshake.probe(settings.kafka, connection.options(settings)))
    gc.collect()
    assert error is not None
    assert PASSWORD not in str(error)
    assert WRONG not in str(error)
    return error


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("security", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_a_user_with_its_password_comes_in(place, security, mechanism):
    settings = of(place, security, kafka_sasl_mechanism=mechanism)
    assert asyncio.run(handshake.probe(settings.kafka, connection.options(settings))) is None


def test_a_certificate_of_ones_own_is_enough_where_it_is_asked_for(place):
    file = str(place.ours.issue("route"))
    settings = of(place, "SSL", kafka_cert_file=file, kafka_key_file=file)
    assert asyncio.run(handshake.probe(settings.kafka, connection.options(settings))) is None


@pytest.mark.parametrize(
    ("security", "changes", "says"),
    [
        ("SASL_SSL", {"kafka_password": WRONG}, "check CARTOGRAPH_KAFKA_USER"),
        ("SASL_SSL", {"kafka_user": "eve"}, "check CARTOGRAPH_KAFKA_USER"),
        ("SASL_SSL", {"kafka_sasl_mechanism": "PLAIN"}, "KAFKA_SASL_MECHANISM"),
        ("SASL_SSL", {"kafka_ca_file": ""}, "CARTOGRAPH_KAFKA_CA_FILE"),
        ("SASL_SSL", {"kafka_security": "PLAINTEXT"}, "KAFKA_SECURITY=SASL_SSL"),
        ("SASL_SSL", {"kafka_security": "SSL"}, "KAFKA_SECURITY=SASL_SSL"),
        ("SASL_SSL", {"kafka_security": "SASL_PLAINTEXT"}, "KAFKA_SECURITY=SASL_SSL"),
        ("SASL_PLAINTEXT", {"kafka_security": "PLAINTEXT"}, "KAFKA_SECURITY=SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", {"kafka_security": "SASL_SSL"}, "KAFKA_SECURITY=SASL_PLAINTEXT"),
        ("SSL", {"kafka_security": "PLAINTEXT"}, "KAFKA_SECURITY=SSL"),
    ],
)
def test_what_is_wrong_is_told_at_once_with_what_to_change(place, security, changes, says):
    error = refused(of(place, security, **changes))
    assert isinstance(error, SettingsError), "it is of no use to try again"
    assert says in str(error)
    assert len(str(error).splitlines()) == 1


def test_a_port_without_tls_or_passwords_says_so(place):
    for security, says in (
        ("SSL", "KAFKA_SECURITY=PLAINTEXT"),
        ("SASL_SSL", "KAFKA_SECURITY=PLAINTEXT"),
        ("SASL_PLAINTEXT", "asks for no SASL"),
    ):
        error = refused(of(place, security, kafka=place.plain))
        assert isinstance(error, SettingsError)
        assert says in str(error)


def test_a_broker_of_another_authority_or_name_is_not_believed(place):
    error = refused(of(place, "SASL_SSL", kafka_ca_file=str(place.others.file)))
    assert "signed by nobody we trust" in str(error)
    named = place.secured.address("SASL_SSL").replace("127.0.0.1", "localhost")
    assert "for another name" in str(refused(of(place, "SASL_SSL", kafka=named)))


def test_a_broker_whose_certificate_has_expired_is_not_believed(tmp_path):
    ours = Authority(tmp_path, "ours")
    old = ours.issue("broker", valid=dt.timedelta(days=-1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(old)

    async def work() -> CartographError | None:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", ssl=context)
        async with server:
            host, port = server.sockets[0].getsockname()
            told = Settings(
                kafka=f"{host}:{port}", kafka_security="SSL", kafka_ca_file=str(ours.file)
            )
            return await handshake.probe(told.kafka, connection.options(told))

    error = asyncio.run(work())
    assert isinstance(error, SettingsError)
    assert "has expired: renew it" in str(error)


def test_a_broker_that_does_not_take_our_certificate_says_which_settings_name_it(place):
    old = place.ours.issue("old", valid=dt.timedelta(days=-1))
    for file in ("", str(place.others.issue("route")), str(old)):
        error = refused(of(place, "SSL", kafka_cert_file=file, kafka_key_file=file))
        assert "CARTOGRAPH_KAFKA_CERT_FILE" in str(error)


def test_files_that_are_no_certificates_are_named(place, tmp_path):
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for file in (tmp_path / "nonsense.pem", tmp_path / "missing.pem"):
        with pytest.raises(SettingsError, match="CARTOGRAPH_KAFKA_CA_FILE"):
            connection.options(of(place, "SASL_SSL", kafka_ca_file=str(file)))


def test_commands_and_workers_end_with_one_sentence_and_no_secret(place, tmp_path):
    wrong = of(
        place, "SASL_SSL", kafka_password=WRONG, data_dir=tmp_path, secret="a secret for tests"
    )
    env = {
        f"CARTOGRAPH_{name.upper()}": str(getattr(wrong, name))
        for name in ("kafka", "kafka_security", "kafka_ca_file", "kafka_user", "kafka_password")
    }
    env |= {"PYTHONPATH": str(REPOSITORY), "CARTOGRAPH_SECRET": wrong.secret}
    env |= {"CARTOGRAPH_SOURCES": "shop=native"}
    for command in (
        ["worker", "--stages", "shoppers"],
        ["query", "node", "type:shoes"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "streams", *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 2, (command, said)
        assert "check CARTOGRAPH_KAFKA_USER" in said, (command, said)
        assert WRONG not in said
        assert "Traceback" not in said


def test_a_right_that_is_missing_is_told_and_does_not_look_like_a_missing_topic(place):
    settings = of(place, "SASL_SSL", prefix="norights")
    plain = Settings(kafka=place.plain, prefix="norights", partitions=2)
    asyncio.run(admin.apply(plain.kafka, plan(Names("norights"), 2, 1)))
    with pytest.raises(TopicError, match="may not look at norights"):
        asyncio.run(
            admin.describe(
                settings.kafka, [settings.topic("facts")], options=connection.options(settings)
            )
        )


def as_user(place: Place, plain: Settings, part: str) -> Settings:
    """The same graph over a guarded listener, as the user of one part."""
    names = ("kafka", "kafka_security", "kafka_ca_file", "kafka_password")
    guarded = of(place, "SASL_SSL")
    told = {each: getattr(guarded, each) for each in names}
    return plain.with_(**told, kafka_user=part.replace(" ", "-"))


def test_the_whole_pipeline_runs_over_tls_each_part_with_its_own_rights(place, tmp_path, capfd):
    """Also a proof that `cartograph topics rights` lists enough: nobody has any other right."""
    plain = shop_settings(place.plain, "guarded", tmp_path / "data")
    allow(place, [(right.part.replace(" ", "-"), right) for right in rights(plain)])

    setup = as_user(place, plain, SETUP)
    planned = plan(Names(setup.prefix), setup.partitions, 1)
    done = asyncio.run(admin.apply(setup.kafka, planned, options=connection.options(setup)))
    assert len(done.created) == len(planned)
    create_all_topics(plain)  # the shop's own
    make(tmp_path / "sample", 5, Sizes(products=60, shoppers=40, days=8))
    running = [Stages(as_user(place, plain, stage), [stage]) for stage in STAGES]
    try:
        for each in running:
            each.__enter__()
            assert each.code is None, each.supervisor and each.supervisor.status()
        asyncio.run(play(as_user(place, plain, SHOP), tmp_path / "sample"))
        asyncio.run(until_read(plain, running))
    finally:
        codes = [each.stop() for each in running]
    assert codes == [0] * len(STAGES)
    facts = facts_of(plain)
    assert len(facts) > 100
    with asking(as_user(place, plain, SERVE)) as graph:
        assert isinstance(graph, Local)
        assert {fact.id for fact in graph.facts()} == {fact.id for fact in facts.values()}
    sampled = asyncio.run(_sample(as_user(place, plain, "route"), next(iter(plain.sources)), 100))
    assert sum(map(len, sampled.values())) > 50
    said = "".join(capfd.readouterr())
    assert PASSWORD not in said
    assert plain.secret not in said


async def play(settings: Settings, folder: Path) -> None:
    events, catalog = settings.sources
    async with Producing(settings, {EVENTS: events, CATALOG: catalog}) as producing:
        for kind, name in ((CATALOG, "catalog.jsonl"), (EVENTS, "events.jsonl")):
            lines = (folder / name).read_bytes().splitlines()
            await producing.play(Played(kind, b"k", line, None) for line in lines)


async def until_read(settings: Settings, running: list[Stages]) -> None:
    """Wait until every stage has read all there is, over the plain listener."""
    inputs = {stage: [settings.topic(name) for name in SPECS[stage].inputs] for stage in SPECS}
    inputs["route"] = list(settings.sources)
    quiet = 0
    async with asyncio.timeout(120):
        while quiet < 3:
            told = [s for each in running if each.supervisor for s in each.supervisor.status()]
            rests = all(each.rests for each in told)
            behind = sum(each.behind for each in await lag.lags(settings, inputs))
            quiet = quiet + 1 if rests and not behind else 0
            await asyncio.sleep(0.3)


def test_a_worker_runs_with_a_certificate_for_a_password(place, tmp_path):
    name = "CN=shoppers"
    plain = shop_settings(place.plain, "mutual", tmp_path / "data")
    create_all_topics(plain)
    mine = [right for right in rights(plain) if right.part == "shoppers"]
    allow(place, [(name, right) for right in mine])
    file = str(place.ours.issue("shoppers"))
    settings = plain.with_(
        kafka=place.secured.address("SSL"),
        kafka_security="SSL",
        kafka_ca_file=str(place.ours.file),
        kafka_cert_file=file,
        kafka_key_file=file,
    )
    with Stages(settings, ["shoppers"]) as stages:
        assert stages.code is None
        assert stages.stop() == 0


def test_a_worker_without_the_right_to_its_group_says_so(place, tmp_path):
    plain = shop_settings(place.plain, "nogroup", tmp_path / "data")
    create_all_topics(plain)
    mine = [each for each in rights(plain) if each.part == "shoppers" and each.kind == "topic"]
    allow(place, [("shoppers", right) for right in mine])
    names = ("kafka", "kafka_security", "kafka_ca_file", "kafka_password")
    guarded = of(place, "SASL_SSL")
    told = {each: getattr(guarded, each) for each in names}
    settings = plain.with_(**told, kafka_user="shoppers")
    assert "group" in " ".join(Stages(settings, ["shoppers"]).refused())


def test_nothing_answers_is_not_taken_for_a_refusal():
    assert isinstance(refused(Settings(kafka="127.0.0.1:9", kafka_security="SSL")), BrokerError)


def test_a_graph_is_replayed_swapped_in_and_dropped_with_those_rights_alone(place, tmp_path):
    plain = shop_settings(place.plain, "beside", tmp_path / "data", device="cpu", model_threads=1)
    create_all_topics(plain)
    wanted = [*rights(plain), *rights(plain.with_(generation="g1"))]
    allow(place, [(right.part.replace(" ", "-"), right) for right in wanted])
    done = told(as_user(place, plain, REPLAY), "replay", "--generation", "g1")
    assert done["replayed"]["rests"]
    swap = as_user(place, plain, SWAP)
    assert told(swap, "graph", "swap", "g1")["name"] == "g1"
    with asking(as_user(place, plain, SERVE)) as graph:
        assert list(graph.facts()) == []
    assert {each["serving"] for each in told(swap, "graph", "list")} == {True, False}
    call(swap, "graph", "swap", "live")
    call(swap, "graph", "drop", "g1")
    own = beside(plain, "g1")
    names = [own.topic(name) for name in own.names.owned()]
    assert asyncio.run(admin.describe(plain.kafka, names)) == {}
    setup = as_user(place, plain, SETUP)
    assert told(setup, "topics", "apply")["created"] == []
