"""The chart as Helm renders it: settings, commands, ports and paths are those of the code.

Needs Helm, which `make deploy-check` builds before it runs these tests; skipped without it.
"""

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.registry import SPECS
from streams.settings import STAGES
from streams.topics import Names, plan
from streams.worker import supervisor as worker
from streams.worker.supervisor import Supervisor, slots
from tests.deploy.told import DEPLOY, ROOT, api_paths, parse_command, settings_of
from tests.monitoring import files
from tests.monitoring.declared import TARGET

CHART = DEPLOY / "chart"
CASES = ("", "minimal", "gpu", "all")
KEEP_NOTHING = ("topics apply", "topics tidy")
READY = "/usr/local/lib/cartograph/worker_ready.py"


def helm() -> str:
    built = sorted((ROOT / ".cartograph" / "tools").glob("helm-*"))
    found = os.environ.get("HELM") or (str(built[-1]) if built else "")
    if not found and os.environ.get("REQUIRE_HELM"):
        pytest.fail("HELM names no program, and REQUIRE_HELM is set")
    return found or pytest.skip("no Helm here: `make deploy-check` builds one")


@functools.cache
def render(case: str = "", *more: str) -> tuple[dict[str, Any], ...]:
    words = [helm(), "template", "cartograph", str(CHART), *more]
    if case:
        words += ["--values", str(CHART / "ci" / f"{case}.yaml")]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def of_kind(kind: str, case: str = "", *more: str) -> dict[str, dict[str, Any]]:
    found = render(case, *more)
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def pods(case: str) -> dict[str, dict[str, Any]]:
    kinds = ("StatefulSet", "Deployment", "Job")
    specs = {n: each["spec"] for kind in kinds for n, each in of_kind(kind, case).items()}
    for name, each in of_kind("CronJob", case).items():
        specs[name] = each["spec"]["jobTemplate"]["spec"]
    return {name: spec["template"] for name, spec in specs.items()}


def own(pod: dict[str, Any]) -> dict[str, Any]:
    """The one container."""
    (found,) = pod["spec"]["containers"]
    return dict(found)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """Variables of a pod, with a text in place of what comes from elsewhere."""
    listed = own(pod)["env"]
    found = {each["name"]: each.get("value", "0123456789abcdef") for each in listed}
    assert len(found) == len(listed), "a variable is given twice"
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_a_setting_and_every_command_is_one(case: str):
    assert pods(case)
    for pod in pods(case).values():
        settings = settings_of(environment(pod))
        command = parse_command(own(pod)["args"])
        assert command in ("worker", "serve", *KEEP_NOTHING)
        mounts = {mount["mountPath"] for mount in own(pod)["volumeMounts"]}
        assert str(settings.data_dir) in mounts or command in KEEP_NOTHING
        # A Service called cartograph-x would add variables that are no settings of ours.
        assert pod["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("case", CASES)
def test_nobody_is_root_or_writes_to_the_image(case: str):
    for name, pod in pods(case).items():
        told = pod["spec"]["securityContext"]
        assert (told["runAsNonRoot"], told["runAsUser"]) == (True, 10001), name
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("case", CASES)
def test_every_path_in_a_setting_is_mounted(case: str):
    for pod in pods(case).values():
        mounts = [mount["mountPath"] for mount in own(pod)["volumeMounts"]]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        claims = {"data"} if own(pod)["name"] == "worker" else set()
        assert {mount["name"] for mount in own(pod)["volumeMounts"]} <= volumes | claims
        if own(pod)["name"] == "topics":
            continue  # it reads neither bundles nor mappings
        for name, value in environment(pod).items():
            if value.startswith("/"):
                assert any(value == m or value.startswith(f"{m}/") for m in mounts), name


def test_a_stage_has_a_statefulset_a_volume_and_its_pods_name_for_a_member():
    found = of_kind("StatefulSet")
    assert set(found) == {f"cartograph-{stage}" for stage in STAGES}
    for stage in STAGES:
        spec = found[f"cartograph-{stage}"]["spec"]
        container = own(spec["template"])
        assert container["args"] == ["worker", "--stages", stage]
        member = [e for e in container["env"] if e["name"] == "CARTOGRAPH_MEMBER"]
        assert member[0]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert spec["serviceName"] in of_kind("Service")
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > worker._STOP_S
        assert bool(spec.get("volumeClaimTemplates")) == (stage != "route")


@pytest.mark.parametrize("case", CASES)
def test_workers_are_asked_for_as_many_processes_as_they_have(case: str):
    for name, each in of_kind("StatefulSet", case).items():
        stage = name.removeprefix("cartograph-")
        pod = each["spec"]["template"]
        count = settings_of(environment(pod)).workers_of(stage)
        probe = own(pod)["readinessProbe"]["exec"]["command"]
        assert probe == ["python", "-I", READY, f"{stage}={count}"]


def test_metrics_of_every_process_are_served_and_read():
    monitor = of_kind("ServiceMonitor", "all")["cartograph-workers"]["spec"]
    wanted = {endpoint["port"] for endpoint in monitor["endpoints"]}
    for name, each in of_kind("StatefulSet", "all").items():
        stage, pod = name.removeprefix("cartograph-"), each["spec"]["template"]
        settings = settings_of(environment(pod))
        supervisor = Supervisor(settings, slots(settings, [stage]))
        ports = [supervisor._of_one(n).metrics_port for n in range(settings.workers_of(stage))]
        assert settings.metrics_host == "0.0.0.0"
        assert [each["containerPort"] for each in own(pod)["ports"]] == ports
        service = of_kind("Service", "all")[name]
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert [port["port"] for port in service["spec"]["ports"]] == ports
        names = [port["name"] for port in own(pod)["ports"]]
        assert [port["targetPort"] for port in service["spec"]["ports"]] == names
        assert {port["name"] for port in service["spec"]["ports"]} <= wanted
    policy = of_kind("NetworkPolicy", "all")["cartograph-workers"]["spec"]["ingress"][0]["ports"][0]
    assert policy["port"] == 9464
    assert policy["endPort"] == policy["port"] + 63


def test_metrics_that_nobody_reads_are_on_loopback_alone():
    for each in of_kind("StatefulSet", "").values():
        pod = each["spec"]["template"]
        assert settings_of(environment(pod)).metrics_host == "127.0.0.1"
        assert "ports" not in own(pod)


def test_targets_carry_the_labels_that_rules_and_dashboards_go_by():
    for name, job in (("workers", "cartograph-worker"), ("serve", "cartograph-serve")):
        monitor = of_kind("ServiceMonitor", "all")[f"cartograph-{name}"]["spec"]
        seen = set()
        for endpoint in monitor["endpoints"]:
            told = {each["targetLabel"]: each for each in endpoint["relabelings"]}
            assert set(told) | {"instance"} == TARGET
            assert told["job"]["replacement"] == job
            assert told["graph"]["replacement"] == "Shop.two"
            assert told["worker"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]
            seen.add(told["worker"].get("replacement", "$1"))
        assert len(seen) == len(monitor["endpoints"])


def test_rules_are_those_of_the_files_with_links_to_the_runbook_that_was_given():
    (rule,) = of_kind("PrometheusRule", "all").values()
    rendered = rule["spec"]["groups"]
    told = [
        group
        for name in ("recording", "alerts")
        for group in yaml.safe_load((files.RULES / f"{name}.yml").read_text())["groups"]
    ]
    plain = json.dumps(rendered).replace(
        "https://wiki.example/cartograph/runbook", "deploy/RUNBOOK.md"
    )
    assert json.loads(plain) == told
    assert json.dumps(rendered) != plain
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_dashboards_are_those_of_the_files():
    found = {
        name.removeprefix("cartograph-dashboard-"): each
        for name, each in of_kind("ConfigMap", "all").items()
        if "-dashboard-" in name
    }
    assert set(found) == set(files.dashboards())
    for name, page in files.dashboards().items():
        (text,) = found[name]["data"].values()
        rendered = json.loads(text)
        assert rendered["templating"]["list"][1].pop("query").startswith("https://")
        page["templating"]["list"][1].pop("query")
        assert rendered == page
        assert found[name]["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found[name]["metadata"]["annotations"] == {"grafana_folder": "Cartograph"}


def test_nothing_of_monitoring_is_there_where_it_is_switched_off():
    assert of_kind("PrometheusRule") == {}
    assert of_kind("ServiceMonitor") == {}
    switches = "metrics.enabled=true,metrics.rules.enabled=false,metrics.dashboards.enabled=false"
    assert of_kind("PrometheusRule", "", f"--set={switches}") == {}
    assert of_kind("ConfigMap", "", f"--set={switches}") == {}


@pytest.mark.parametrize("case", ["", "all"])
def test_the_read_api_is_probed_and_reached_where_it_listens(case: str):
    pod = of_kind("Deployment", case)["cartograph-serve"]["spec"]["template"]
    settings, container = settings_of(environment(pod)), own(pod)
    assert settings.http_host == "0.0.0.0"
    assert container["ports"] == [{"name": "http", "containerPort": settings.http_port}]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] == "http"
        assert asked["path"] in api_paths()
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert of_kind("Service", case)["cartograph-serve"]["spec"]["ports"] == [
        {"name": "http", "port": settings.http_port, "targetPort": "http"}
    ]
    policy = of_kind("NetworkPolicy", case)["cartograph-serve"]["spec"]["ingress"][0]
    assert policy["ports"] == [{"protocol": "TCP", "port": settings.http_port}]
    if case == "all":
        monitor = of_kind("ServiceMonitor", case)["cartograph-serve"]["spec"]["endpoints"][0]
        assert (monitor["port"], monitor["path"]) == ("http", "/metrics")
        assert "/metrics" in api_paths()


@pytest.mark.parametrize(("partitions", "replication"), [(32, 3), (8, 1), (4, 2)])
def test_strimzi_makes_the_topics_that_cartograph_would(partitions: int, replication: int):
    made = of_kind(
        "KafkaTopic",
        "",
        "--set=topics.mode=strimzi",
        f"--set=settings.partitions={partitions},settings.replication={replication}",
    )
    planned = {spec.name: spec for spec in plan(Names(), partitions, replication)}
    assert {each["spec"]["topicName"] for each in made.values()} == set(planned)
    for each in made.values():
        spec = planned[each["spec"]["topicName"]]
        assert each["spec"]["partitions"] == spec.partitions
        assert each["spec"]["replicas"] == spec.replication
        assert each["spec"]["config"] == dict(spec.config)
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_strimzi_topics_of_another_prefix_are_named_as_the_workers_name_them():
    pod = of_kind("StatefulSet", "all")["cartograph-graph"]["spec"]["template"]
    settings = settings_of(environment(pod))
    names = {each["spec"]["topicName"] for each in of_kind("KafkaTopic", "all").values()}
    planned = plan(Names(settings.prefix), settings.partitions, settings.replication)
    assert names == {spec.name for spec in planned}


def test_settings_arrive_as_they_were_given():
    pod = of_kind("StatefulSet", "all")["cartograph-graph"]["spec"]["template"]
    settings = settings_of(environment(pod))
    assert settings.unsent_limit == 1_000_000
    assert settings.dead_letter_ratio == 0.05
    assert settings.purchase_actions == ("purchase", "checkout")
    assert settings.scoring == {"min_support": 3.0, "lift_accept": 1.4}
    assert settings.sources == {
        "shop.events": "native",
        "shop.catalog": "mappings/catalog.toml",
    }
    # A relative path is looked for in the image's working folder.
    assert "WORKDIR /etc/cartograph\n" in (DEPLOY / "Dockerfile").read_text()
    mounts = {mount["mountPath"] for mount in own(pod)["volumeMounts"]}
    assert "/etc/cartograph/mappings" in mounts
    assert settings.kafka_cert_file == "/etc/cartograph/kafka/user.crt"


def test_totals_of_earlier_lives_are_tidied_away_by_a_job_of_its_own():
    for case, when in (("", "17 3 * * 0"), ("all", "@daily")):
        (job,) = of_kind("CronJob", case).values()
        assert job["spec"]["schedule"] == when
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        pod = pods(case)["cartograph-tidy"]
        assert parse_command(own(pod)["args"]) == "topics tidy"
        # The policy of the whole release lets it out to Kafka, and nothing in.
        whole = of_kind("NetworkPolicy", case)["cartograph"]["spec"]["podSelector"]["matchLabels"]
        labels = pod["metadata"]["labels"]
        assert whole.items() <= labels.items()
        others = [each["spec"]["selector"] for each in of_kind("Service", case).values()]
        assert not [each for each in others if each.items() <= labels.items()]
    assert of_kind("CronJob", "minimal") == {}


def test_a_release_is_one_graph_and_its_job_tidies_all_that_stands_of_it():
    for prefix in ("graph", "shop.eu"):
        jobs = of_kind("CronJob", "", "--set", f"settings.prefix={prefix}")
        assert len(jobs) == 1
        pod = jobs["cartograph-tidy"]["spec"]["jobTemplate"]["spec"]["template"]
        settings = settings_of(environment(pod))
        assert (settings.prefix, settings.generation) == (prefix, ""), "one that is named is alone"
        assert settings.kafka == "kafka:9092"
        assert own(pod)["args"] == ["topics", "tidy"], "all topics, of all generations"


def test_a_gpu_is_for_the_stages_named_alone():
    sets = of_kind("StatefulSet", "gpu")
    for stage in STAGES:
        pod = sets[f"cartograph-{stage}"]["spec"]["template"]
        container, on_gpu = own(pod), stage in ("queries", "products")
        assert container["image"].endswith("-gpu") == on_gpu
        assert settings_of(environment(pod)).device == ("cuda" if on_gpu else "cpu")
        assert ("nvidia.com/gpu" in container["resources"]["limits"]) == on_gpu
        assert ("runtimeClassName" in pod["spec"]) == on_gpu
    products = sets["cartograph-products"]["spec"]["template"]["spec"]
    assert products["nodeSelector"] == {"nvidia.com/gpu.present": "true", "pool": "large"}
    assert {each["key"] for each in products["tolerations"]} == {"nvidia.com/gpu"}


def test_replicas_that_would_find_no_state_are_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"settings\.checkpoint_url to a bucket"):
        render("", "--set=stages.shoppers.replicas=2")
    with pytest.raises(ValueError, match=r"stages\.shoppers\.processes"):
        render("", "--set=stages.shoppers.replicas=2,settings.checkpoint_url=/data/checkpoints")
    render("", "--set=stages.shoppers.replicas=2,settings.checkpoint_url=s3://bucket")
    render("", "--set=stages.shoppers.replicas=2,settings.allow_empty_store=true")
    for stage in STAGES:
        if stage == "route" or SPECS[stage].rebuilds:
            render("", f"--set=stages.{stage}.replicas=2")


def test_workers_reach_the_bucket_of_their_checkpoints_and_nobody_else_its_secret():
    for name, pod in pods("all").items():
        is_worker = own(pod)["name"] == "worker"
        told = [{"secretRef": {"name": "backups"}}] if is_worker else None
        assert own(pod).get("envFrom") == told, name
    assert "envFrom" not in own(pods("")["cartograph-graph"])
    ports = [
        [port["port"] for rule in policy["spec"].get("egress", ()) for port in rule["ports"]]
        for policy in (of_kind("NetworkPolicy", case)["cartograph"] for case in ("", "all"))
    ]
    assert [9000 in told for told in ports] == [False, True]


@pytest.mark.parametrize(
    ("case", "mode"), [("", "token"), ("gpu", "token"), ("all", "proxy-header")]
)
def test_the_read_api_asks_who_somebody_is(case: str, mode: str):
    settings = settings_of(environment(pods(case)["cartograph-serve"]))
    assert (settings.http_host, settings.api_mode) == ("0.0.0.0", mode)
    assert settings.api_tokens_file is not None
    pod = pods(case)["cartograph-serve"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "tokens"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "tokens"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert str(settings.api_tokens_file) == (
        f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    )
    others = [environment(pod) for name, pod in pods(case).items() if name != "cartograph-serve"]
    assert not [name for each in others for name in each if name.startswith("CARTOGRAPH_API_")]


def test_prometheus_has_a_token_for_the_read_api():
    monitor = of_kind("ServiceMonitor", "all")["cartograph-serve"]["spec"]
    (endpoint,) = monitor["endpoints"]
    assert endpoint["authorization"]["credentials"] == {
        "name": "cartograph-api",
        "key": "prometheus",
    }


def test_a_budget_selects_the_pods_of_its_workload():
    for name, budget in of_kind("PodDisruptionBudget").items():
        labels = pods("")[name]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_what_stands_on_the_values_files_exists():
    assert {file.stem for file in Path(CHART / "ci").iterdir()} == set(CASES) - {""}
