"""What is fuzzed: every decoder, what may come out of it, and seeds to begin with.

A target takes any bytes and returns; what is documented to be raised is swallowed, anything else is
a finding. So is a hang, and memory without end (`tests.fuzz.__main__`).
"""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from models_onnx import mapping as model_mapping
from models_onnx import spans
from models_onnx.bundle import MANIFEST_FILE, read_manifest
from models_onnx.errors import ModelError
from streams import dead_letters, erasures, privacy
from streams.broker.properties import read_ports
from streams.checkpoint import manifest
from streams.control.generations import Generations
from streams.errors import BrokerError, CheckpointError, SettingsError, SourceError
from streams.events import decode_event
from streams.process import status
from streams.serve import paging, running, tokens
from streams.serve.problems import ProblemError
from streams.settings import Settings, read_file
from streams.sources import SOURCES, find, mapping
from streams.sources.said import RawEvent, RawProduct, Rejected, Unused
from streams.totals import messages, wire
from tests.fuzz import seeds
from tests.fuzz.served import ask_api, ask_line, read_replica
from tests.fuzz.staged import read_control, read_stage
from tests.one_partition import small_ontology
from topology import canonical, keys, phrases, units, wording
from topology.errors import BadFactError, BadNodeError, OntologyError, TopologyError
from topology.facts import check_relation, decode_fact, parse_node
from topology.ontology import parse_ontology
from topology.ontology_import import shopify_to_toml


class Target(NamedTuple):
    """One thing that is fuzzed.

    Attributes:
        run: takes any bytes; raises where they find a mistake.
        seeds: bytes that it reads.
    """

    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _pair(data: bytes) -> tuple[bytes, bytes]:
    """Key and value of a record: split at the length that the first byte says."""
    return data[1 : 1 + data[:1][0]] if data else b"", data[1 + data[0] :] if data else b""


def _wire(data: bytes) -> None:
    for topic in ("claims", "facts"):
        with contextlib.suppress(wire.BadMessageError):
            wire.decode(topic, *_pair(data))
    for name in ("searched", "bought", "asked", "together", "claims", "control"):
        messages.is_key(name, data)


def _source(name: str) -> Callable[[bytes], None]:
    source = find(name)

    def run(data: bytes) -> None:
        for said in source.read(data):
            if not isinstance(said, RawEvent | RawProduct | Rejected | Unused):
                raise TypeError(f"{name} said {type(said)}")
        source.event_time(data)

    return run


def _mapped(data: bytes) -> None:
    for text in seeds.MAPPINGS:
        source = mapping.source(text, "mapping.toml")
        list(source.read(data))
        source.event_time(data)


def _mapping_file(data: bytes) -> None:
    with contextlib.suppress(SourceError):
        source = mapping.source(_text(data), "mapping.toml")
        list(source.read(seeds.NATIVE[0]))


def _text_rules(data: bytes) -> None:
    text = _text(data)
    privacy.scrub(text)
    privacy.scrub_catalog(text)
    privacy.head(privacy.normalise_query(text), 100)
    privacy.pseudonym(b"a secret for tests", text)


def _fact(data: bytes) -> None:
    with contextlib.suppress(BadFactError):
        decode_fact(data)


def _ids(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(BadNodeError):
        parse_node(text)
    with contextlib.suppress(ValueError, BadFactError):
        keys.id_key(text)
    with contextlib.suppress(ValueError, TopologyError):
        check_relation(text)
    with contextlib.suppress(ValueError, TopologyError):
        wording.check_slug(text)


_ONTOLOGY = small_ontology()


def _values(data: bytes) -> None:
    text = _text(data)
    for attribute in ("color", "feature", "weight", "size", "brand"):
        canonical.values_of(_ONTOLOGY, attribute, text)
    canonical.intent_of(_ONTOLOGY, "audience", text)
    canonical.type_of(_ONTOLOGY, text)
    canonical.is_junk(text)
    phrases.phrase_of(_ONTOLOGY, text)
    with contextlib.suppress(BadNodeError):
        wording.slug(wording.normalise(text))
    wording.folded(text)


def _units(data: bytes) -> None:
    text = _text(data)
    for base in ("", "kg", "m"):
        units.measure_of(text, base)
    units.number_of(text)
    units.count_of(text)
    units.is_no_size(text)


_PAYLOADS = (
    messages.decode_asked,
    messages.decode_together,
    messages.decode_claimed,
    messages.decode_with,
    messages.decode_why,
    dead_letters.decode_dead_letter,
    decode_event,
)


def _control_records(data: bytes) -> None:
    """What stands on topics of ours beside totals; who reads them passes over what is none."""
    key, value = _pair(data)
    Generations().take(key, value)
    with contextlib.suppress(ValueError):
        erasures.read_record(0, key, value)
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        dead_letters.decode_mark(value)
    with contextlib.suppress(CheckpointError):
        manifest.decode(value, "here")
    manifest.decode_completed(value)


def _payloads(data: bytes) -> None:
    """Who decodes them catches these three, and makes a dead letter or nothing of it."""
    for decode in _PAYLOADS:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            decode(data)
    for cached in (spans.decode_tagged, spans.decode_judged, spans.decode_senses):
        with contextlib.suppress(ModelError):
            cached(data)


def _settings(data: bytes) -> None:
    """Lines of `name=value` for the environment."""
    env = dict(line.partition("=")[::2] for line in _text(data).split("\n"))
    with contextlib.suppress(SettingsError):
        Settings.from_env({f"CARTOGRAPH_{name.upper()}": value for name, value in env.items()})
    with contextlib.suppress(BrokerError):
        read_ports(_text(data))


def _in_file(name: str, read: Callable[[Path], object], *errors: type[Exception]):  # type: ignore[no-untyped-def]
    """A target that reads a file."""

    def run(data: bytes) -> None:
        file = seeds.folder() / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        with contextlib.suppress(*errors):
            read(file)

    return run


def _settings_file(file: Path) -> None:
    Settings.from_env({}, read_file(file))


def _ontology(data: bytes) -> None:
    with contextlib.suppress(OntologyError):
        parse_ontology({"ontology.toml": _text(data)})


def _model_mapping(data: bytes) -> None:
    with contextlib.suppress(ModelError):
        model_mapping.parse("fuzzed", _text(data))


def _taxonomy(name: str) -> Callable[[bytes], None]:
    """One of the files of a taxonomy; the others stay as they should be."""

    def run(data: bytes) -> None:
        folder = seeds.taxonomy(seeds.folder() / "taxonomy")
        (folder / name).write_bytes(data)
        with contextlib.suppress(OntologyError):
            shopify_to_toml(folder)

    return run


def _small_files(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        tokens.decode(data)
    with contextlib.suppress(ProblemError):
        paging.decode_cursor("facts", _text(data))


TARGETS: dict[str, Target] = {
    "wire": Target(_wire, seeds.TOTALS),
    **{f"source {name}": Target(_source(name), seeds.of_source(name)) for name in SOURCES},
    "source by mapping": Target(_mapped, seeds.NATIVE),
    "mapping file": Target(_mapping_file, tuple(each.encode() for each in seeds.MAPPINGS)),
    "privacy": Target(_text_rules, seeds.TEXTS),
    "fact": Target(_fact, seeds.FACTS),
    "node and fact ids": Target(_ids, seeds.IDS),
    "canonical values": Target(_values, seeds.TEXTS),
    "units": Target(_units, seeds.TEXTS),
    "records of ours": Target(_control_records, seeds.OURS),
    "payloads": Target(_payloads, seeds.PAYLOADS),
    "control": Target(read_control, seeds.CONTROL),
    **{
        f"stage {stage}": Target(functools.partial(read_stage, stage), seeds.of_stage(stage))
        for stage in ("shoppers", "queries", "products", "graph")
    },
    "settings": Target(_settings, seeds.SETTINGS),
    "settings file": Target(
        _in_file("cartograph.toml", _settings_file, SettingsError), seeds.SETTINGS_FILES
    ),
    "ontology": Target(_ontology, seeds.ONTOLOGIES),
    "taxonomy categories": Target(_taxonomy("categories/all.yml"), seeds.YAML),
    "taxonomy attributes": Target(_taxonomy("attributes.yml"), seeds.YAML),
    "taxonomy values": Target(_taxonomy("values.yml"), seeds.YAML),
    "bundle": Target(
        _in_file(f"bundle/{MANIFEST_FILE}", lambda file: read_manifest(file.parent), ModelError),
        seeds.MANIFESTS,
    ),
    "label mapping": Target(_model_mapping, seeds.LABEL_MAPPINGS),
    "status file": Target(_in_file("status.json", status.read), seeds.STATUS),
    "replica's file": Target(_in_file("serve.json", running._read), seeds.STATUS),
    "tokens and cursors": Target(_small_files, seeds.SMALL),
    "replica": Target(read_replica, seeds.TOTALS),
    "API": Target(ask_api, seeds.REQUESTS),
    "model lines": Target(ask_line, seeds.LINES),
}
