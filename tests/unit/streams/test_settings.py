"""Environment over file over defaults; what is wrong is said with its name and what is allowed."""

import inspect
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import settings as module
from streams.errors import SettingsError
from streams.settings import RULES, Settings, read_file


def test_defaults_are_valid_and_every_setting_has_a_rule():
    assert Settings.from_env({}) == Settings()
    assert set(RULES) == set(Settings.__struct_fields__)


def test_every_setting_stands_in_the_docstring():
    text = inspect.getdoc(Settings) or ""
    assert [name for name in RULES if name not in text] == []


def test_environment_beats_file_beats_default():
    told = {"partitions": 8, "prefix": "shop"}
    assert Settings.from_env({}, told).partitions == 8
    found = Settings.from_env({"CARTOGRAPH_PARTITIONS": "4", "PARTITIONS": "2"}, told)
    assert (found.partitions, found.prefix, found.replication) == (4, "shop", 1)


def test_tables_and_lists_read_alike_from_both():
    env = {
        "CARTOGRAPH_SOURCES": "shop.a=native, shop.b=maps/b.toml",
        "CARTOGRAPH_WORKERS": "shoppers=2,graph=0",
        "CARTOGRAPH_PURCHASE_ACTIONS": "buy, add_to_cart",
        "CARTOGRAPH_SCORING": "min_support=3,lift_accept=1.4",
        "CARTOGRAPH_DATA_DIR": "state",
    }
    table = {
        "sources": {"shop.a": "native", "shop.b": "maps/b.toml"},
        "workers": {"shoppers": 2, "graph": 0},
        "purchase_actions": ["buy", "add_to_cart"],
        "scoring": {"min_support": 3, "lift_accept": 1.4},
        "data_dir": "state",
    }
    found = Settings.from_env(env)
    assert found == Settings.from_env({}, table)
    assert found.sources == {"shop.a": "native", "shop.b": "maps/b.toml"}
    assert (found.workers_of("shoppers"), found.workers_of("graph"), found.workers_of("route")) == (
        2,
        0,
        1,
    )
    assert found.data_dir == Path("state")


@pytest.mark.parametrize(
    ("env", "toml", "words"),
    [
        ({"CARTOGRAPH_PARTITIONS": "no"}, {}, ("CARTOGRAPH_PARTITIONS", "'no'", "1 to 1024")),
        ({"CARTOGRAPH_PARTITIONS": "0"}, {}, ("CARTOGRAPH_PARTITIONS", "'0'", "1 to 1024")),
        ({}, {"partitions": True}, ("cartograph.toml: partitions", "True", "1 to 1024")),
        ({}, {"partitions": 2.5}, ("cartograph.toml: partitions", "2.5")),
        ({"CARTOGRAPH_DEVICE": "tpu"}, {}, ("CARTOGRAPH_DEVICE", "'tpu'", "auto, cpu, cuda")),
        ({"CARTOGRAPH_KAFKA": "broker"}, {}, ("CARTOGRAPH_KAFKA", "host:port")),
        ({"CARTOGRAPH_LOG_JSON": "maybe"}, {}, ("CARTOGRAPH_LOG_JSON", "true")),
        ({"CARTOGRAPH_WORKERS": "shopers=1"}, {}, ("CARTOGRAPH_WORKERS", "shopers", "shoppers")),
        ({"CARTOGRAPH_WORKERS": "graph"}, {}, ("CARTOGRAPH_WORKERS", "'graph'")),
        ({"CARTOGRAPH_PREFIX": "a_b"}, {}, ("CARTOGRAPH_PREFIX", "'a_b'")),
        ({"CARTOGRAPH_DEAD_LETTER_RATIO": "1.5"}, {}, ("CARTOGRAPH_DEAD_LETTER_RATIO", "0 to 1")),
        ({"CARTOGRAPH_SECRET": "short"}, {}, ("CARTOGRAPH_SECRET", "16 characters")),
        ({"CARTOGRAPH_SCORING": "luck=1"}, {}, ("CARTOGRAPH_SCORING", "'luck'", "min_support")),
        ({"CARTOGRAPH_KAFKA_SECURITY": "SASL_SSL"}, {}, ("CARTOGRAPH_KAFKA_USER",)),
        ({"CARTOGRAPH_KAFKA_CERT_FILE": "a.pem"}, {}, ("kafka_key_file",)),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_allowed(env, toml, words):
    with pytest.raises(SettingsError) as error:
        Settings.from_env(env, toml)
    for word in words:
        assert word in str(error.value)


def test_a_secret_is_never_shown():
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"CARTOGRAPH_SECRET": "tell-nobody"})
    assert "tell-nobody" not in str(error.value)
    secret = {"secret": "0123456789abcdef", "kafka_password": "swordfish"}
    shown = json.dumps(Settings(**secret).redacted()) + repr(Settings(**secret))
    assert not [value for value in secret.values() if value in shown]


def test_unknown_names_are_errors_with_the_nearest_name():
    env = {"CARTOGRAPH_PARTITION": "4", "CARTOGRAPH_ZZZ": "1", "CARTOGRAPH_kafka": "a:1"}
    with pytest.raises(SettingsError) as error:
        Settings.from_env(env, {"perfix": "x"})
    lines = str(error.value).splitlines()
    assert lines[0] == "cartograph.toml: perfix is no setting: did you mean prefix?"
    assert lines[1] == "CARTOGRAPH_PARTITION is no setting: did you mean CARTOGRAPH_PARTITIONS?"
    assert "CARTOGRAPH_ZZZ is no setting" in lines[2]
    assert "CARTOGRAPH_kafka is no setting: did you mean CARTOGRAPH_KAFKA?" in lines[3]


def test_names_that_only_tests_and_the_file_use_are_no_settings():
    env = {"CARTOGRAPH_TEST_KAFKA": "x", "CARTOGRAPH_SHARED": "y", "CARTOGRAPH_CONFIG": "z"}
    assert Settings.from_env(env) == Settings()


def test_the_secret_is_required_where_it_is_used_and_says_how_to_make_one():
    with pytest.raises(SettingsError, match="token_hex"):
        Settings().key()
    assert Settings(secret="x" * 16).key() == b"x" * 16


@given(
    st.builds(
        Settings,
        partitions=st.integers(1, 1024),
        data_dir=st.sampled_from((Path("a/b"), Path("/c"))),
        ontology=st.none() | st.just(Path("o.toml")),
        sources=st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=3),
        secret=st.text(),
        dead_letter_ratio=st.floats(0, 1),
    )
)
def test_a_worker_process_gets_the_same_settings(settings: Settings):
    assert Settings.from_json(settings.to_json()) == settings


def test_redacted_settings_are_json_and_name_everything():
    shown = json.loads(json.dumps(Settings().redacted()))
    assert list(shown) == list(RULES)


def test_a_file_is_read_or_missed_or_refused(tmp_path: Path):
    file = tmp_path / module.FILE_NAME
    assert read_file(file) is None
    file.write_text('prefix = "g"\n[workers]\ngraph = 2\n')
    assert Settings.from_env({}, read_file(file)).workers == {"graph": 2}
    file.write_text("prefix = ")
    with pytest.raises(SettingsError, match=r"cartograph\.toml cannot be read"):
        read_file(file)
