"""Graphs beside the first: what is known of each, which one is served, and their settings. Pure.

A *generation* has topics, consumer groups and folders of its own under `<prefix>.<name>` and reads
the topics that it shares with the first, which is called `live` (`topics.SHARED`). Three kinds of
records on the first graph's `graph.control` say all that others must know:

| key                       | value                                                            |
|---------------------------|------------------------------------------------------------------|
| generation/<name>/<order> | `Generation` as it was ordered; written once                     |
| generation/<name>         | `Generation`: the same, and how far it is by now                 |
| serving                   | `Serving`: which one answers, of which workers run the stages    |

Of two orders for one name the first in the log has it, and what the other says counts nowhere: who
orders reads the log again behind the own record, and takes another name if it came second. The key
of an order is its own, since compaction keeps the last record of a key: all who ever read the log
find the same first one.

The name of a generation that was dropped is not given again: a store of it that was left on some
machine would be taken for the new one's.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from streams.control.secret import FIRST as FIRST_SECRET
from streams.control.secret import KEY as SECRET
from streams.errors import SettingsError, StateError
from streams.settings import RULES, STAGES, Settings
from streams.settings_rules import NotAllowed, Rule
from streams.topics import LIVE as LIVE

Base: TypeAlias = Literal["events", "totals"]
State: TypeAlias = Literal["building", "built", "dropping", "dropped"]
Offsets: TypeAlias = dict[str, dict[int, int]]
"""Logical topic -> partition -> offset."""

_GENERATION, _SERVING = b"generation/", b"serving"
_NUMBERED = re.compile(r"g(\d+)")

WINDOWS = frozenset(
    (
        "session_gap_ms",
        "session_longest_ms",
        "allowance_ms",
        "future_ms",
        "pair_span_ms",
        "pair_clicks",
        "pair_searches",
        "minute_events",
        "basket_items",
        "keep_days",
    )
)
"""What only SHOPPERS takes from the settings: it needs the raw events."""

MEANING = frozenset(("k_shoppers", "type_distance", "ontology")) | WINDOWS
"""Settings that change totals."""

BUNDLES = frozenset(("tagging_bundle", "cleaning_bundle", "synonyms_bundle"))

CHANGEABLE = (
    MEANING
    | BUNDLES
    | frozenset(
        (
            "scoring",
            "device",
            "model_threads",
            "workers",
            "cache_rows",
            "state_cache_mb",
            "write_buffer_mb",
            "flush_ms",
            "flush_records",
            "send_records",
            "unsent_limit",
            "session_timeout_ms",
        )
    )
)
"""Settings in which a generation may differ from the first."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A graph beside the first.

    Attributes:
        name: of the generation.
        base: what it is built from: raw events, or the first one's totals.
        state: building until it has read its stretch once and rests; then built.
        made_ms: wall time at which it was ordered.
        asked: --from and --to in the operator's words.
        starts: where its stages begin to read; a partition that is not named from its beginning.
        ends: where they stop for good; a topic that is not named goes on for ever.
        changes: settings in which it differs, as `Settings` has them in JSON; no secrets.
        order: token of the order that made it; "": by a program that gave none.
        let_go_ms: wall time at which it was said that nobody needs its checkpoints once it is
            dropped; 0: they stay, as in records of programs that left them to the operator.
    """

    name: str
    base: Base = "events"
    state: State = "building"
    made_ms: int = 0
    asked: tuple[str, str] = ("earliest", "")
    starts: Offsets = {}
    ends: Offsets = {}
    changes: dict[str, object] = {}
    order: str = ""
    let_go_ms: int = 0

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages it has; ROUTE is of the first alone."""
        return stages_of_base(self.base)

    @property
    def usable(self) -> bool:
        """It is not dropped, nor about to be."""
        return self.state in ("building", "built")


def stages_of_base(base: str) -> tuple[str, ...]:
    """Stages that keep state, of a graph built from "events" (as the first is) or "totals"."""
    without = {"route"} | ({"shoppers"} if base == "totals" else set())
    return tuple(stage for stage in STAGES if stage not in without)


class Serving(msgspec.Struct, frozen=True):
    """Which generation answers.

    Attributes:
        name: of it.
        kept: those of which `cartograph worker` runs the stages, so that it can be swapped back.
    """

    name: str = LIVE
    kept: tuple[str, ...] = (LIVE,)

    def swapped(self, name: str) -> "Serving":
        """The same with another one that answers; all others go on."""
        return Serving(name, self.kept if name in self.kept else (*self.kept, name))

    def without(self, name: str) -> "Serving":
        """The same, and no worker runs the stages of `name` any more."""
        return Serving(self.name, tuple(each for each in self.kept if each != name))


_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode_generation = msgspec.json.Decoder(Generation).decode
_decode_serving = msgspec.json.Decoder(Serving).decode


class Generations:
    """All that the control topic says of generations, read record by record.

    Args:
        serving, found: what is known before.

    Attributes:
        serving: which one answers.
        secret: what ROUTE noted of the secret of all of them (`secret.py`); b"": nothing so far.
    """

    def __init__(self, serving: Serving | None = None, found: Iterable[Generation] = ()) -> None:
        self.secret = b""
        self.serving = serving or Serving()
        self._found = {each.name: each for each in found}

    def take(self, key: bytes | None, value: bytes | None) -> bool:
        """Read a record of the control topic; False if it says nothing of generations."""
        if key is None or value is None:
            return False
        try:
            if key == _SERVING:
                self.serving = _decode_serving(value)
            elif key == SECRET:
                self.secret = value
            elif key.startswith(FIRST_SECRET):
                self.secret = self.secret or value
            elif key.startswith(_GENERATION):
                self._take(key, _decode_generation(value))
            else:
                return False
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False  # not one of ours
        return True

    def _take(self, key: bytes, told: Generation) -> None:
        first = self._found.get(told.name)
        is_order = key != _GENERATION + told.name.encode()
        if first is not None and not told.order and told.made_ms == first.made_ms:
            # An older program that went on with it, which drops fields that it does not know.
            told = msgspec.structs.replace(told, order=first.order)
        if first is None or (first.order == told.order and not is_order):
            self._found[told.name] = told

    @property
    def all(self) -> tuple[Generation, ...]:
        """Those beside the first, dropped ones too, in the order in which they were made."""
        beside = (each for each in self._found.values() if each.name != LIVE)
        return tuple(sorted(beside, key=lambda each: (each.made_ms, each.name)))

    @property
    def live(self) -> Generation:
        """The first one; its own stages may have been dropped."""
        return self._found.get(LIVE, Generation(name=LIVE, state="built"))

    @property
    def dropped(self) -> tuple[Generation, ...]:
        """Those that nobody can bring back: their names are not given again."""
        return tuple(each for each in (self.live, *self.all) if each.state == "dropped")

    def get(self, name: str) -> Generation | None:
        """One of them by name; None if there never was one."""
        return self.live if name == LIVE else self._found.get(name)

    def find(self, name: str) -> Generation:
        """One that is not dropped.

        Raises:
            StateError: there is none of this name.
        """
        found = self.get(name)
        if found is None or not found.usable:
            known = ", ".join([LIVE, *(each.name for each in self.all if each.usable)])
            what = "there is no generation" if found is None else f"{found.state} is generation"
            raise StateError(f"{what} {name!r}: `cartograph graph list` has {known}")
        return found

    def with_stage(self, stage: str) -> tuple[Generation, ...]:
        """Those that are not dropped, nor about to be, and have this stage."""
        every = (self.live, *self.all)
        return tuple(each for each in every if each.usable and stage in each.stages)

    def check_name(self, name: str) -> None:
        """Refuse what is no name of a generation beside the first.

        Raises:
            StateError: topics cannot be named so, or it is the first one's.
        """
        try:
            is_name = RULES["generation"].read(name) not in ("", LIVE)
        except NotAllowed:
            is_name = False
        if not is_name:
            raise StateError(
                f"{name!r} is no name for another generation: use lower-case letters and digits, "
                f"joined by single '-', at most 30; not {LIVE!r}"
            )

    def next_name(self) -> str:
        """A name that none has or had: g1, g2, ..."""
        taken = [_NUMBERED.fullmatch(each.name) for each in self.all]
        return f"g{max((int(match[1]) for match in taken if match), default=0) + 1}"


def order_record(generation: Generation) -> tuple[bytes, bytes]:
    """Key and value of the order for a generation, which it has if no other order came first."""
    return _GENERATION + f"{generation.name}/{generation.order}".encode(), _encode(generation)


def generation_record(generation: Generation) -> tuple[bytes, bytes]:
    """Key and value of what is known of a generation."""
    return _GENERATION + generation.name.encode(), _encode(generation)


def serving_record(serving: Serving) -> tuple[bytes, bytes]:
    """Key and value of the record that a swap is."""
    return _SERVING, _encode(serving)


def settings_of(base: Settings, generation: Generation) -> Settings:
    """The settings that the stages, and the read API, of a generation run with.

    Args:
        base: of the first generation.
        generation: of which.
    """
    base = base.with_(generation="", generation_base="events")
    if generation.name == LIVE:
        return base
    values = msgspec.json.decode(base.to_json())
    values |= generation.changes | {
        "generation": generation.name,
        "generation_base": generation.base,
        "metrics_port": 0,  # set ports are for one graph alone: `fleet` says for which
        "allow_empty_store": False,
    }
    return Settings.from_json(msgspec.json.encode(values))


def read_changes(
    base: Settings, told: Iterable[str], table: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The settings in which a generation is to differ, as its record keeps them.

    Args:
        base: of the first generation.
        told: "name=value", a value as in the environment; "scoring.min_support=3" changes one entry
            of a table and leaves the others.
        table: the same from a file, which may say again what holds for all; `told` goes before it.

    Raises:
        SettingsError: one line for each that is unknown, wrong or none of a generation's.
    """
    values: dict[str, object] = {}
    wrong: list[str] = []
    for name, value in (table or {}).items():
        if name in CHANGEABLE or not _is_so(base, name, value):
            _change(base, values, wrong, name, value)
    for each in told:
        name, is_there, value = each.partition("=")
        if not is_there:
            wrong.append(f"{each!r} is no setting: write NAME=VALUE, as in k_shoppers=5")
            continue
        _change(base, values, wrong, name.strip(), value)
    if wrong:
        raise SettingsError("\n".join(wrong))
    before = msgspec.json.decode(base.to_json())
    after = msgspec.json.decode(msgspec.json.encode(values, enc_hook=str))
    return {name: value for name, value in sorted(after.items()) if before[name] != value}


def _is_so(base: Settings, name: str, told: object) -> bool:
    try:
        return name in RULES and RULES[name].read(told) == getattr(base, name)
    except NotAllowed:
        return False


def _change(
    base: Settings, values: dict[str, object], wrong: list[str], name: str, told: object
) -> None:
    name, _, entry = name.partition(".")
    if name not in RULES:
        near = difflib.get_close_matches(name.lower(), sorted(CHANGEABLE), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "see `cartograph config show`"
        wrong.append(f"{name} is no setting: {hint}")
        return
    if name not in CHANGEABLE:
        wrong.append(
            f"{name} cannot differ between generations of a graph: use one of "
            f"{', '.join(sorted(CHANGEABLE))}"
        )
        return
    try:
        if entry:
            table = values.get(name, getattr(base, name))
            values[name] = _with_entry(RULES[name], table, entry, told)
        else:
            values[name] = RULES[name].read(told)
    except NotAllowed as error:
        detail = f" ({error})" if str(error) else ""
        wrong.append(f"{name} = {told!r} is not allowed{detail}: {RULES[name].allowed}")


def _with_entry(rule: Rule, table: object, entry: str, told: object) -> dict[str, object]:
    if not isinstance(table, dict):
        raise NotAllowed(f"it is no table and has no {entry!r}")
    changed = rule.read(f"{entry}={told}")
    return {**table, **changed} if isinstance(changed, dict) else table


def check_base(generation: Generation) -> None:
    """Refuse what a graph built from totals cannot be.

    Raises:
        SettingsError: it names a stretch of events, or settings that only SHOPPERS takes.
    """
    if generation.base == "events":
        return
    if generation.asked[0] != "earliest" or generation.asked[1] not in ("", "now"):
        raise SettingsError(
            "totals are those of all time: with --base totals leave --from and --to out (or "
            "--to now), or read a stretch of events with --base events"
        )
    if wrong := sorted(WINDOWS & generation.changes.keys()):
        raise SettingsError(
            f"{', '.join(wrong)} is SHOPPERS' alone, which --base totals does not run: use "
            "--base events"
        )


def as_paths_of_here(changes: Mapping[str, object]) -> dict[str, object]:
    """The same with files and folders named from the root: workers may start elsewhere."""
    named = BUNDLES | {"ontology"}
    return {
        name: str(Path(str(value)).resolve()) if name in named and value else value
        for name, value in changes.items()
    }
