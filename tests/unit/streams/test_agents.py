"""How Kafka knows a worker: the same after a restart, another on another machine."""

from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings import RULES, STAGES, Settings
from streams.worker.agents import member_id

LONGEST_IN_KAFKA = 249


def test_a_named_machine_gives_its_workers_that_name_and_touches_no_folder(tmp_path: Path):
    settings = Settings(prefix="shop", member="cartograph-graph-0", data_dir=tmp_path / "none")
    assert member_id(settings, "graph-1") == "shop.cartograph-graph-0.graph-1"
    assert not settings.data_dir.exists()


def test_without_a_name_the_data_folder_has_one_that_lasts(tmp_path: Path):
    here, there = (Settings(data_dir=tmp_path / name) for name in ("a", "b"))
    assert member_id(here, "graph-0") == member_id(here, "graph-0")
    assert member_id(here, "graph-0") != member_id(there, "graph-0")
    assert member_id(here, "graph-0").removesuffix(".graph-0") == (
        f"graph.{(tmp_path / 'a' / 'folder-id').read_text()}"
    )


def test_the_longest_name_is_one_that_kafka_takes():
    longest = Settings.from_env(
        {"CARTOGRAPH_PREFIX": "p" * 60, "CARTOGRAPH_MEMBER": "m" * 150}, None
    )
    worker = max((f"{stage}-63" for stage in STAGES), key=len)
    assert len(member_id(longest, worker)) <= LONGEST_IN_KAFKA


@pytest.mark.parametrize("member", ["a b", "a/b", "ü", "m" * 151])
def test_names_that_kafka_refuses_are_refused(member: str):
    with pytest.raises(SettingsError, match="CARTOGRAPH_MEMBER"):
        Settings.from_env({"CARTOGRAPH_MEMBER": member})
    assert "member" in RULES
