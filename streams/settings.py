"""Every setting of Cartograph in one frozen object: environment over file over defaults.

`CARTOGRAPH_PARTITIONS=8` in the environment, `partitions = 8` in `cartograph.toml`. Nothing is
read here: the caller hands in the environment and the parsed file, so that the same words always
give the same settings. A name that nobody knows is an error, never ignored.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from streams.errors import SettingsError
from streams.settings_rules import NotAllowed
from streams.settings_table import RULES as RULES
from streams.settings_table import STAGES as STAGES
from streams.topics import LIVE, SHARED, TOTALS, Names

ENV_PREFIX = "CARTOGRAPH_"
FILE_NAME = "cartograph.toml"
NOT_SETTINGS = ("CARTOGRAPH_CONFIG", "CARTOGRAPH_SHARED", "CARTOGRAPH_TEST_")
"""Names with our prefix that are no settings: the file's path, and what only tests read."""

SECRETS = ("secret", "kafka_password", "kafka_key_password")
_REDACTED = "(set, not shown)"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose. Times are event time unless the name says otherwise.

    Attributes:
        kafka: `host:port`, several separated by commas; empty: the embedded broker.
        kafka_security: how to talk to it; `kafka_sasl_mechanism`, `kafka_user`, `kafka_password`
            for SASL, `kafka_ca_file`, `kafka_cert_file`, `kafka_key_file`, `kafka_key_password`
            for TLS.
        prefix: of every topic, consumer group and folder of this graph.
        generation: name of a graph beside the first (`cartograph replay`), or "live", the first:
            stages, read API and commands are then about that one; empty: what `graph swap` says.
        generation_base: what that one is built from; its record says so, nobody sets it by hand.
        partitions: of every `graph.*` topic; another count is another graph.
        replication: copies of each partition that Kafka keeps.
        data_dir: everything that is kept on this machine.
        sources: the shop's topic -> its format, or the path of a field-mapping file.
        purchase_actions: words of the shop's own events that count as a purchase.
        secret: key of the pseudonyms of shoppers.
        session_gap_ms: silence that ends a session; session_longest_ms: length that does.
        allowance_ms: how much older than the newest event one may be without being late.
        future_ms: how far an event may be ahead of its record's own timestamp.
        pair_span_ms, pair_clicks: a purchase belongs to the searches within either, to at most
            `pair_searches` of them.
        minute_events: searches and clicks of a shopper and minute that count; the rest is capped.
        basket_items: products of a basket that are paired; the rest is capped.
        keep_days: how long the ledger keeps a week after its end.
        k_shoppers: distinct shoppers of one week before a query's text is used.
        type_distance: how far apart two product types may be for a co-purchase to count.
        scoring: thresholds of the facts, by the names of `topology.scoring.ScoringSettings`.
        tagging_bundle, cleaning_bundle, synonyms_bundle: folders of models; None: those shipped.
        device, model_threads: where models run; 0 threads: one a core.
        ontology: a file of the shop's own; None: the one shipped.
        dead_letter_ratio, dead_letter_min: the worker stops when this share of its last records
            could not be read, and at least so many.
        http_host, http_port: of the read replica.
        api_mode: who may ask it: "none" anybody who reaches it, which is then loopback alone;
            "token" bearers of a token of `api_tokens_file` (None: in `data_dir`); "proxy-header"
            whom a proxy of the networks `api_proxies` names in `api_user_header`, with the role of
            `api_role_header` (empty: all are readers), or bearers of a token.
        api_rate, api_burst: questions a second of each client on average and at once; 0: any.
        metrics_port: of the first worker process, the next ones count up; 0: any free port.
        metrics_host: where workers serve their metrics; anybody who reaches it may read them.
        flush_ms, flush_records: wall time and records after which state is committed and sent.
        send_records: messages in flight a partition.
        unsent_limit: keys waiting to be sent at which a partition stops reading.
        workers: stage -> processes.
        session_timeout_ms: wall time after which Kafka gives a silent worker's partitions away.
        member: names this machine's workers in their consumer groups, the same after a restart and
            of no other machine (on Kubernetes the pod's name); empty: a name kept in `data_dir`.
        checkpoint_url: where checkpoints are kept, a folder or a URL that fsspec knows
            (`s3://bucket/folder`); empty: nowhere.
        checkpoint_every_s: wall time from one checkpoint to the next; 0: only when asked for.
        checkpoint_keep: complete checkpoints that the schedule leaves there.
        allow_empty_store: an empty folder may take over a partition that has run before, and ROUTE
            may go on after its sources were made again, or with another secret.
        cache_rows: decoded totals that a worker process keeps, each way, beside as many rows of
            GRAPH or a quarter as many shoppers or products; shared out evenly over the partitions
            it is to hold.
        state_cache_mb, write_buffer_mb: RocksDB memory of a worker process; the cache holds the
            write buffers too, so it must be larger.
        log_level, log_json: what workers print.
    """

    kafka: str = ""
    kafka_security: str = "PLAINTEXT"
    kafka_sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_user: str = ""
    kafka_password: str = ""
    kafka_ca_file: str = ""
    kafka_cert_file: str = ""
    kafka_key_file: str = ""
    kafka_key_password: str = ""
    prefix: str = "graph"
    generation: str = ""
    generation_base: str = "events"
    partitions: int = 32
    replication: int = 1
    data_dir: Path = Path(".cartograph")
    sources: dict[str, str] = {}
    purchase_actions: tuple[str, ...] = ("purchase", "buy", "order", "checkout")
    secret: str = ""
    session_gap_ms: int = 30 * 60_000
    session_longest_ms: int = 24 * 60 * 60_000
    allowance_ms: int = 10 * 60_000
    future_ms: int = 60 * 60_000
    pair_span_ms: int = 30 * 60_000
    pair_clicks: int = 10
    pair_searches: int = 3
    minute_events: int = 120
    basket_items: int = 30
    keep_days: int = 90
    k_shoppers: int = 3
    type_distance: int = 4
    scoring: dict[str, float] = {}
    tagging_bundle: Path | None = None
    cleaning_bundle: Path | None = None
    synonyms_bundle: Path | None = None
    device: str = "auto"
    model_threads: int = 0
    ontology: Path | None = None
    dead_letter_ratio: float = 0.2
    dead_letter_min: int = 1_000
    http_host: str = "127.0.0.1"
    http_port: int = 8077
    api_mode: str = "none"
    api_tokens_file: Path | None = None
    api_proxies: tuple[str, ...] = ()
    api_user_header: str = "x-forwarded-user"
    api_role_header: str = "x-forwarded-role"
    api_rate: float = 100.0
    api_burst: int = 200
    metrics_port: int = 0
    metrics_host: str = "127.0.0.1"
    flush_ms: int = 200
    flush_records: int = 60_000
    send_records: int = 10_000
    unsent_limit: int = 500_000
    workers: dict[str, int] = {}
    session_timeout_ms: int = 10_000
    member: str = ""
    checkpoint_url: str = ""
    checkpoint_every_s: int = 0
    checkpoint_keep: int = 24
    allow_empty_store: bool = False
    cache_rows: int = 200_000
    state_cache_mb: int = 128
    write_buffer_mb: int = 64
    log_level: str = "info"
    log_json: bool = True

    @classmethod
    def from_env(
        cls, env: Mapping[str, str], toml: Mapping[str, object] | None = None
    ) -> "Settings":
        """The settings that environment, file and defaults give, in this order of rank.

        Args:
            env: all of the environment; only names that begin with `CARTOGRAPH_` are looked at.
            toml: the parsed `cartograph.toml`, None where there is none.

        Raises:
            SettingsError: one line for each name that is unknown or has a wrong value.
        """
        values: dict[str, object] = {}
        wrong: list[str] = []
        for name, told in (toml or {}).items():
            _take(values, wrong, name, told, f"{FILE_NAME}: {name}", NAMES)
        for full, told_text in env.items():
            if full.startswith(ENV_PREFIX) and not full.startswith(NOT_SETTINGS):
                name = full.removeprefix(ENV_PREFIX)
                known = name.lower() if name == name.upper() else full
                _take(values, wrong, known, told_text, full, ENV_NAMES)
        if wrong:
            raise SettingsError("\n".join(wrong))
        settings = msgspec.convert(values, cls, strict=False, dec_hook=_convert)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise SettingsError where two settings contradict each other."""
        if self.kafka_security.startswith("SASL") and not (self.kafka_user and self.kafka_password):
            raise SettingsError(
                f"kafka_security {self.kafka_security} needs CARTOGRAPH_KAFKA_USER and "
                "CARTOGRAPH_KAFKA_PASSWORD"
            )
        if bool(self.kafka_cert_file) != bool(self.kafka_key_file):
            raise SettingsError(
                "kafka_cert_file and kafka_key_file belong together: give both, or neither"
            )
        if self.checkpoint_every_s and not self.checkpoint_url:
            raise SettingsError(
                f"checkpoint_every_s is {self.checkpoint_every_s}, but CARTOGRAPH_CHECKPOINT_URL "
                "does not say where checkpoints are kept"
            )
        if self.api_mode == "proxy-header" and not self.api_proxies:
            raise SettingsError(
                "api_mode proxy-header needs CARTOGRAPH_API_PROXIES: the networks of your proxies, "
                "such as 10.0.3.0/24; who asks from elsewhere is refused"
            )
        if self.write_buffer_mb >= self.state_cache_mb:
            raise SettingsError(
                f"write_buffer_mb is {self.write_buffer_mb}, state_cache_mb {self.state_cache_mb}: "
                "the cache holds the write buffers too; make it twice as large"
            )

    def cache_rows_of(self, stage: str) -> int:
        """Decoded totals that one partition of a stage may keep, each way."""
        held = -(-self.partitions // max(self.workers_of(stage), 1))
        return max(self.cache_rows // held, 1_000)

    def __repr__(self) -> str:
        return f"Settings({self.graph}, {self.kafka!r})"  # tracebacks and logs hold no secrets

    def with_(self, **changes: object) -> "Settings":
        """The same settings with some replaced."""
        changed = msgspec.structs.replace(self, **changes)
        changed.check()
        return changed

    def key(self) -> bytes:
        """The key of the pseudonyms.

        Raises:
            SettingsError: none is set.
        """
        if not self.secret:
            raise SettingsError(
                "CARTOGRAPH_SECRET is not set: it is the key of the shoppers' pseudonyms and must "
                "stay the same as long as the graph lives. Make one with "
                "`python -c 'import secrets; print(secrets.token_hex(32))'` and keep it safe"
            )
        return self.secret.encode()

    @property
    def names(self) -> Names:
        """Full names of the topics of this graph, or of this generation of it."""
        shared = SHARED | TOTALS if self.generation_base == "totals" else SHARED
        return Names(self.prefix, "" if self.generation == LIVE else self.generation, shared)

    def topic(self, logical: str) -> str:
        """Full name of one of our own topics: "events" -> "graph.events"."""
        return self.names.of(logical)

    def group(self, stage: str) -> str:
        """Consumer group of a stage."""
        return f"{self.names.own}.{stage}"

    @property
    def graph(self) -> str:
        """Identity of the graph that a store belongs to."""
        return f"{self.names.own}/{self.partitions}"

    def workers_of(self, stage: str) -> int:
        """Processes of a stage."""
        return self.workers.get(stage, 1)

    def to_json(self) -> bytes:
        """All of it, secrets included, for a process of our own."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def from_json(cls, told: bytes) -> "Settings":
        """Inverse of `to_json`."""
        return msgspec.json.decode(told, type=cls, dec_hook=_convert)

    def redacted(self) -> dict[str, object]:
        """Names and values for people to read, secrets not shown; ready for JSON."""
        shown: dict[str, object] = {}
        for name in RULES:
            value = getattr(self, name)
            if name in SECRETS and value:
                value = _REDACTED
            shown[name] = str(value) if isinstance(value, Path) else value
        return shown


NAMES = {name: name for name in RULES}
ENV_NAMES = {name: ENV_PREFIX + name.upper() for name in RULES}


def read_file(path: Path) -> dict[str, object] | None:
    """The table of a settings file; None where there is no file.

    Raises:
        SettingsError: the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _take(
    values: dict[str, object],
    wrong: list[str],
    name: str,
    told: object,
    where: str,
    shown: Mapping[str, str],
) -> None:
    """Put one told value into `values`, or what is wrong with it into `wrong`."""
    rule = RULES.get(name)
    if rule is None:
        near = difflib.get_close_matches(
            name.lower().removeprefix(ENV_PREFIX.lower()), RULES, n=1, cutoff=0.5
        )
        hint = f"did you mean {shown[near[0]]}?" if near else "see `cartograph config show`"
        wrong.append(f"{where} is no setting: {hint}")
        return
    try:
        values[name] = rule.read(told)
    except NotAllowed as error:
        value = _REDACTED if name in SECRETS else repr(told)
        detail = f" ({error})" if str(error) else ""
        wrong.append(f"{where} = {value} is not allowed{detail}: {rule.allowed}")


def _convert(wanted: type, value: object) -> object:
    return wanted(value)
