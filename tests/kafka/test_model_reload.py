"""`cartograph model reload` on running workers: another bundle takes over, a damaged one cannot."""

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import msgspec
import pytest
from typer.testing import CliRunner

from models_onnx import bundle, publish
from streams.__main__ import app
from streams.cli.state import folders, opened
from streams.process import status
from streams.settings import Settings
from tests.kafka.helpers import wait_until
from tests.kafka.running import Stages, create_all_topics, shop_settings, write

pytestmark = pytest.mark.kafka


def versioned(folder: Path, version: str) -> Path:
    """The shipped tagger under another version."""
    shutil.copytree(bundle.shipped("tagging"), folder)
    manifest = bundle.read_manifest(folder)
    publish.write_manifest(folder, msgspec.structs.replace(manifest, version=version))
    return folder


def product(number: int) -> tuple[bytes, bytes]:
    told = {"id": f"p{number}", "title": f"Nordwind Red Leather Clogs {number}", "at": number}
    return b"p%d" % number, json.dumps(told).encode()


@pytest.fixture
def settings(kafka: str, topic_prefix: str, tmp_path: Path) -> Settings:
    found = shop_settings(kafka, topic_prefix, tmp_path / "data", partitions=1)
    create_all_topics(found)
    return found


def call(settings: Settings, *words: str):
    names = {
        "CARTOGRAPH_KAFKA": settings.kafka,
        "CARTOGRAPH_PREFIX": settings.prefix,
        "CARTOGRAPH_PARTITIONS": "1",
        "CARTOGRAPH_DATA_DIR": str(settings.data_dir),
        "CARTOGRAPH_SECRET": settings.secret,
    }
    with mock.patch.dict(os.environ, names):
        return CliRunner().invoke(app, ["model", *words, "--json"])


def answers(settings: Settings) -> int:
    total = 0
    for folder in folders(settings, "products"):
        with opened(folder, ("answers",)) as store:
            total += len(store.scan("answers"))
    return total


def test_a_running_worker_takes_another_bundle_and_refuses_a_damaged_one(
    settings: Settings, tmp_path: Path
):
    new = versioned(tmp_path / "new", "9.9.9")
    damaged = versioned(tmp_path / "damaged", "9.9.8")
    catalog = list(settings.sources)[1]
    with Stages(settings, ["route", "products"]) as stages:
        write(settings, catalog, [product(n) for n in range(5)])
        wait_until(lambda: answers(settings) > 0, "the first answers", 60)
        before = answers(settings)

        told = call(settings, "reload", "tagging", str(new))
        assert told.exit_code == 0, told.output
        (row,) = json.loads(told.stdout)
        assert (row["worker"], row["outcome"]) == ("products-0", "done")
        assert "tagging@9.9.9-int8-cpu" in row["bundles"]
        write(settings, catalog, [product(n) for n in range(5, 10)])
        wait_until(lambda: answers(settings) > before, "answers of the new bundle", 60)

        (damaged / "model.onnx").write_bytes(b"truncated")
        told = call(settings, "reload", "tagging", str(damaged))
        assert told.exit_code == 2
        assert "fetch the bundle again" in told.output
        (row,) = json.loads(call(settings, "status").stdout)
        assert "tagging@9.9.9-int8-cpu" in row["bundles"]
        assert stages.supervisor is not None
        assert not any(stages.supervisor.restarts.values())
    models = [each.models for each in status.read_all(settings) if each.stage == "products"]
    assert models[0].outcome == "done"
