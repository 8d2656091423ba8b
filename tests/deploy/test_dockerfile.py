"""The image: what is copied exists, what runs is a command of ours, nobody is root."""

import fnmatch
import json
import re
import tomllib
from typing import NamedTuple

import pytest

from streams.settings import ENV_PREFIX, Settings
from tests.deploy.told import DEPLOY, ROOT, parse_command, settings_of

FILE = DEPLOY / "Dockerfile"
LOCKED = re.compile(r"^([a-z0-9_.-]+)==", re.MULTILINE)


class Step(NamedTuple):
    """One instruction of a stage."""

    stage: str
    name: str
    text: str


def steps() -> list[Step]:
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    found, stage = [], ""
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, text = line.strip().partition(" ")
        if name == "FROM":
            stage = text.rpartition(" ")[2]
        if name:
            found.append(Step(stage, name, " ".join(text.split())))
    return found


def said(stage: str, name: str) -> list[str]:
    return [step.text for step in steps() if (step.stage, step.name) == (stage, name)]


def ignored(path: str) -> bool:
    """Whether the build does not see a path, by the rules of a .dockerignore: the last one wins."""
    hidden = False
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines():
        rule = line.removeprefix("!")
        if rule and not rule.startswith("#"):
            parents = [path, *(str(p) for p in (ROOT / path).relative_to(ROOT).parents)]
            if any(fnmatch.fnmatch(each, rule.removeprefix("**/")) for each in parents if each):
                hidden = not line.startswith("!")
    return hidden


def test_the_last_stage_is_the_one_for_cpus_and_both_start_as_nobody():
    froms = [step.text for step in steps() if step.name == "FROM"]
    assert froms[-1] == "runtime AS cpu"
    assert "runtime AS gpu" in froms
    user = said("runtime", "USER")
    assert user == ["10001:10001"]
    assert not [s for s in steps() if s.name == "USER" and s.stage in ("cpu", "gpu")]


def test_the_build_sees_what_it_copies_and_no_more():
    for step in steps():
        if step.name == "COPY" and "--from=" not in step.text:
            words = [word for word in step.text.split() if not word.startswith("--")]
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert source == "." or not ignored(source), source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        assert not ignored(package.rstrip("*"))
    assert not ignored(project["project"]["readme"])
    for hidden in ("tests", ".cartograph", ".git", ".venv", "deploy/requirements/dev.txt"):
        assert ignored(hidden), hidden


def test_what_starts_is_the_command_of_the_project():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (entry,), (command,) = said("runtime", "ENTRYPOINT"), said("runtime", "CMD")
    assert json.loads(entry)[0] in scripts
    assert parse_command(json.loads(command)) == "worker"


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_environment_is_settings_of_ours(target: str):
    words = " ".join([*said("runtime", "ENV"), *said(target, "ENV")]).split()
    env = dict(word.split("=", 1) for word in words)
    assert [name for name in env if name.startswith(ENV_PREFIX)]
    found = settings_of(env)
    assert found.device == ("cuda" if target == "gpu" else "auto")
    assert json.loads(said("runtime", "VOLUME")[0]) == [str(found.data_dir)]
    assert said("runtime", "EXPOSE") == [str(Settings().http_port)]


@pytest.mark.parametrize(
    ("target", "has", "has_not"),
    [("cpu", "onnxruntime", "onnxruntime-gpu"), ("gpu", "onnxruntime-gpu", "onnxruntime")],
)
def test_each_target_has_its_own_pinned_and_hashed_packages(target: str, has: str, has_not: str):
    (lock,) = [text for text in said(f"build-{target}", "COPY") if "requirements" in text]
    text = (ROOT / lock.split()[0]).read_text()
    names = LOCKED.findall(text)
    assert has in names
    assert has_not not in names
    assert all("--hash=sha256:" in each for each in LOCKED.split(text)[2::2])
    assert any("--require-hashes" in run for run in said(f"build-{target}", "RUN"))


def test_both_locks_are_of_the_same_dependencies():
    cpu, gpu = (
        set(LOCKED.findall((DEPLOY / "requirements" / f"{name}.txt").read_text()))
        for name in ("cpu", "gpu")
    )
    assert cpu - gpu == {"onnxruntime"}
    assert all(name.startswith("nvidia-") for name in gpu - cpu - {"onnxruntime-gpu"})
