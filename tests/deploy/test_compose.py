"""compose.yaml: every setting, command, port and path in it is one that the code has."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.play import CATALOG, EVENTS, format_of
from streams.sample import make
from streams.serve import tokens
from streams.settings import ENV_PREFIX, STAGES, Settings
from streams.worker import supervisor as worker
from streams.worker.supervisor import Supervisor, slots
from tests.deploy.told import DEPLOY, api_paths, parse_command, settings_of

VARIABLE = re.compile(r"\$\{(\w+):(-|\?)([^}]*)\}")
READY = "/usr/local/lib/cartograph/worker_ready.py"
PROFILES = {"core", "monitoring", "demo"}


def filled(text: str) -> str:
    """The text with the defaults of its variables; a variable that must be set is a secret."""
    return VARIABLE.sub(lambda m: m[3] if m[2] == "-" else "0123456789abcdef", text)


COMPOSE: dict[str, Any] = yaml.safe_load(filled((DEPLOY / "compose.yaml").read_text()))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: s for name, s in SERVICES.items() if s["image"].startswith("cartograph:")}


def environment(name: str) -> Mapping[str, object]:
    found: Mapping[str, object] = OURS[name]["environment"]
    return found


def settings(name: str) -> Settings:
    return settings_of(environment(name))


def test_the_secret_has_no_default():
    required = {
        m[1] for m in VARIABLE.finditer((DEPLOY / "compose.yaml").read_text()) if m[2] == "?"
    }
    assert required == {"CARTOGRAPH_SECRET"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_every_command_is_one(name: str):
    settings(name)
    assert [key for key in environment(name) if not key.startswith(ENV_PREFIX)] == []
    parse_command(OURS[name]["command"])


def test_the_parts_are_there():
    told = {name: parse_command(service["command"]) for name, service in OURS.items()}
    assert told == {
        "topics": "topics apply",
        "tokens": "token create",
        "worker": "worker",
        "serve": "serve",
        "sample": "sample make",
        "play": "play",
    }


def test_profiles_hold_together():
    for name, service in SERVICES.items():
        assert set(service["profiles"]) <= PROFILES, name
        needed = [*service.get("depends_on", ())]
        if service.get("network_mode", "").startswith("service:"):
            needed.append(service["network_mode"].removeprefix("service:"))
        for other in needed:
            assert set(service["profiles"]) <= set(SERVICES[other]["profiles"]), (name, other)


def test_nothing_listens_beyond_this_machine():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_our_containers_have_no_rights_and_write_to_volumes_alone():
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "user" not in service, name  # the image's own, which is not root
        for volume in service.get("volumes", ()):
            assert volume.split(":")[1] == "/data" or volume.endswith(":ro"), name


def test_workers_and_replica_do_not_share_a_folder():
    volumes = [OURS[name]["volumes"][0].split(":")[0] for name in ("worker", "serve")]
    assert len(set(volumes)) == 2
    assert set(volumes) <= set(COMPOSE["volumes"])


def test_kafka_is_where_the_settings_say():
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(each.split("://") for each in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert {settings(name).kafka for name in OURS} == {advertised["INSIDE"]}
    assert SERVICES["kafka"]["ports"] == [f"{advertised['HOST']}:9092"]


def test_the_shops_topics_are_made_and_are_the_sources():
    (script,) = SERVICES["shop-topics"]["command"]
    match = re.search(r"for topic in ([^;]+);", script)
    assert match is not None
    form = format_of("native")
    assert settings("worker").sources == dict(
        zip(match[1].split(), (form.events, form.catalog), strict=True)
    )


def test_the_sample_is_played_to_the_sources_from_where_it_was_made():
    made, played = OURS["sample"]["command"], OURS["play"]["command"]
    assert played[2:4] == [f"{made[2]}/{make.CATALOG}", f"{made[2]}/{make.EVENTS}"]
    topics = {kind: played[played.index(f"--{kind}-topic") + 1] for kind in (EVENTS, CATALOG)}
    assert list(topics.values()) == list(settings("worker").sources)
    assert OURS["sample"]["volumes"] == OURS["play"]["volumes"]


def test_the_worker_is_ready_when_all_its_stages_are():
    test = OURS["worker"]["healthcheck"]["test"]
    assert test == ["CMD", "python", "-I", READY, *STAGES]
    assert f"deploy/worker_ready.py {READY}" in (DEPLOY / "Dockerfile").read_text()


def test_the_read_api_is_asked_where_it_listens():
    told = settings("serve")
    test = OURS["serve"]["healthcheck"]["test"][-1]
    address, path = re.search(r"http://([^/]+)(/\w+)", test).groups()  # type: ignore[union-attr]
    assert address == f"127.0.0.1:{told.http_port}"
    assert path in api_paths()
    assert told.http_host == "0.0.0.0"
    assert OURS["serve"]["ports"] == [f"127.0.0.1:{told.http_port}:{told.http_port}"]


def test_the_read_api_asks_for_tokens_and_prometheus_has_one():
    told, made = settings("serve"), OURS["tokens"]["command"]
    assert told.api_mode == "token"
    written = {OURS["tokens"]["volumes"][0].split(":")[0]: settings("tokens")}
    (volume, where, how) = OURS["serve"]["volumes"][1].split(":")
    assert (list(written), how) == ([volume], "ro")
    # The image's data folder, in which the tokens are by default.
    assert tokens.file_of(Settings(data_dir=Path(where))) == told.api_tokens_file
    prometheus = SERVICES["prometheus"]
    assert f"{volume}:{where}:ro" in prometheus["volumes"]
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (job,) = [each for each in config["scrape_configs"] if each["job_name"] == "cartograph-serve"]
    out = made[made.index("--out") + 1]
    assert job["authorization"]["credentials_file"] == out.replace("/data", where)
    assert "--group" in made
    assert prometheus["group_add"] == ["10001"]
    assert OURS["serve"]["depends_on"]["tokens"] == {"condition": "service_completed_successfully"}


def test_containers_are_given_the_time_that_a_stop_takes():
    grace = {
        name: int(service["stop_grace_period"].removesuffix("s"))
        for name, service in OURS.items()
        if "stop_grace_period" in service
    }
    assert grace["worker"] > worker._STOP_S
    assert "serve" in grace


def test_prometheus_reads_every_worker_and_the_replica():
    found = settings("worker")
    supervisor = Supervisor(found, slots(found, STAGES))
    ports = {
        str(slot): supervisor._of_one(place).metrics_port
        for place, slot in enumerate(slots(found, STAGES))
    }
    assert found.metrics_host == "0.0.0.0"
    assert "ports" not in OURS["worker"]  # nobody outside of compose reaches them
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["static_configs"] for job in config["scrape_configs"]}
    read = {each["labels"]["worker"]: each["targets"] for each in jobs["cartograph-worker"]}
    assert read == {name: [f"worker:{port}"] for name, port in ports.items()}
    (serve,) = jobs["cartograph-serve"]
    assert serve["targets"] == [f"serve:{settings('serve').http_port}"]
    graphs = {each["labels"]["graph"] for job in jobs.values() for each in job}
    assert graphs == {found.prefix}
    assert "/metrics" in api_paths()


def test_mounted_files_exist():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)
