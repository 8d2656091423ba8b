"""Seeds: of every form something that is read, and some of what has broken readers elsewhere."""

import functools
import tempfile
from pathlib import Path

from models_onnx.mapping import published
from streams import dead_letters, erasures
from streams.checkpoint import manifest
from streams.control import generations
from streams.ports import Record
from streams.totals import messages, wire
from tests.serve_graph import a_fact, told
from topology.facts import encode_fact

ROOT = Path(__file__).parents[2]
DEEP = b"[" * 5_000
DEEPER = b'{"a":' * 200_000
_FIELDS = (b"query", b"id", b"worker", b"token", b"evidence", b"attributes", b"x")
NESTED = tuple(b'{"%b":' % name + DEEP for name in _FIELDS)
HOSTILE = (b"", b"\xff\xfe\x00", b"\xed\xa0\x80", b"null", b"1e999", b"-0", DEEP, DEEPER, *NESTED)
NUMBERS = (b"9" * 5_000, b"1/0", b"1e-999999999", b"0x10", "٣٤".encode(), "½".encode(), b"NaN")

FACT = a_fact("concept:shoes[feature=waterproof]", "used_for_aud", "intent:audience/nurse")
FACTS = (encode_fact(FACT), *HOSTILE)


def _record(key: bytes, value: bytes) -> bytes:
    return bytes([min(len(key), 255)]) + key + value


def total(topic: str, *key: bytes, payload: bytes = b"", n: int = 3) -> bytes:
    """A record as a sender tells it: length of the key, key, value."""
    sent = wire.Sent(0, 5, 1, wire.join(*key), n, payload)
    return _record(*wire.encode_total(topic, sent))


ASKED = messages.encode(
    messages.Asked(
        "red shoes", (("used_for_aud", "intent:audience/nurse", 0.9),), ("shoes",), (), "b"
    )
)
TOGETHER = messages.encode(messages.Together("shoes", 3))
CLAIMED = messages.encode(messages.Claimed(0.9, "accepted", "red", "title", ("b",)))
WITH = messages.encode(messages.With("shoes", "boots", 1, 4))
WHY = messages.encode(messages.Why(("red shoes",), ("product:1",), ("b",)))
LETTER = dead_letters.dead_letter("t", 0, Record(1, 2, b"k", b"v"), "not_json", "d")[1]
PAYLOADS = (ASKED, TOGETHER, CLAIMED, WITH, WHY, LETTER, b"\x91" * 5_000, *HOSTILE)
_WEEK = b"02880"
MARKER = _record(*wire.encode_marker("claims", wire.Marker(0, 5, 1, 5)))
_OF_STAGE = {
    "queries": (
        total("searched", b"q1", b"a", _WEEK, payload=b"red shoes"),
        total("searched", b"q1", b"b", b"p1", _WEEK),
    ),
    "products": (
        total("bought", b"p1", b"b", _WEEK),
        total("bought", b"p1", b"w", b"p2", _WEEK),
        total("asked", b"p1", b"q1", b"b", _WEEK, payload=ASKED),
        total("together", b"p1", b"w", b"p2", _WEEK, payload=TOGETHER),
        total("together", b"p1", b"t", b"p2", _WEEK, payload=TOGETHER),
        _record(b"p1", b'{"id":"p1","title":"red shoes","attributes":{"color":["red"]}}'),
    ),
    "graph": (
        total(
            "claims", b"product:1", b"f", b"has_type", b"type:shoes", b"catalog", payload=CLAIMED
        ),
        total("claims", b"product:1", b"b", _WEEK),
        total("claims", b"product:1", b"c", b"product:2", _WEEK, payload=WITH),
        total("claims", b"type:shoes", b"n", _WEEK),
        total("claims", b"type:shoes", b"v", b"value:color/red", _WEEK),
        total("claims", b"type:shoes", b"i", b"used_for_aud", b"intent:audience/nurse", _WEEK),
        total("claims", b"attr:color", b"u", b"value:color/red"),
        _record(
            b"v",
            b'{"head":"type:shoes","relation":"used_with","tail":"type:mug","verdict":"accepted"}',
        ),
    ),
}
NATIVE = (
    b'{"action_name":"purchase","timestamp":1700000000000,"client_id":"ann","product_id":"p1"}',
    b'{"query_id":"q","user_query":"red shoes","timestamp":"2024-01-01T00:00:00Z","client_id":"a"}',
    b'[{"action_name":"click","client_id":"a","event_attributes":{"object":{"object_id":"p"}}}]',
    b'{"id":"p1","title":"red shoes","category":"a > b","attributes":{"color":["red"]}}',
    *HOSTILE,
    *NUMBERS,
)
_CSV = (
    b"536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
    b'1,2,"a ""b"" c",4,5',
    b'"' * 5_000,
    b"1,1,27601281299,1,825123,1,3.99,364,-0.6,1631,1,0,0",
)
_EVENT = b'["Click","%b",1700000000000,"s","p1"]'
TOTALS = (
    *(row for rows in _OF_STAGE.values() for row in rows),
    _record(*told(FACT)),
    MARKER,
    *(_record(b"\0" * 10, each) for each in HOSTILE),
)
TEXTS = (
    b"red shoes for pregnant women, size 9 1/2",
    b"mail ann@shop.example or +44 20 7946 0958, card 4111 1111 1111 1111",
    b"0.5 l x 3 / 12in x 4 cm",
    b"1-" * 3_000,
    b"a@" * 3_000,
    b" " * 5_000,
    "İ ß ﬃ ½ ٣".encode(),
    *NUMBERS,
    *HOSTILE[:3],
)
IDS = (b"product:a%20b", b"concept:shoes[feature=a/b]", b"value:color/red", b"query:" + b"0" * 32)
IDS += (b"intent:audience/nurse", b"%", b"product:%zz", b"concept:[[=]]", *HOSTILE[:3])
CONTROL = (
    _record(b"shoppers/0", b'{"token":"a","worker":"w"}'),
    _record(b"reload/tagging", b'{"token":"a","task":"tagging","folder":"/models/x"}'),
    _record(b"backfill", b'{"rate":50.0}'),
    *(
        _record(key, each)
        for key in (
            b"shoppers/0",
            b"claim/shoppers/0",
            b"reload/tagging",
            b"backfill",
            b"claim/\xff/1",
        )
        for each in HOSTILE
    ),
)
_ERASURE = erasures.Erasure("s" * 16, 1_700_000_000_000, "t")
_MANIFEST = manifest.Manifest(
    checkpoint="20261105T120000Z",
    stage="graph",
    partition=0,
    graph="graph/1",
    created_ms=1,
    program="0.1.0",
    layout=2,
    incarnation=3,
    offsets={"claims": 4},
    files=(manifest.File("000001.sst", 5, "a" * 64, "a" * 64 + ".0badcafe"),),
)
OURS = (
    _record(*erasures.erasure_record(_ERASURE)),
    _record(*generations.serving_record(generations.Serving("g2"))),
    _record(b"generation/g2", b'{"name":"g2","state":"built"}'),
    _record(b"x", manifest.encode(_MANIFEST)),
    _record(b"x", LETTER),
    *(_record(key, each) for key in (b"generation/g2", b"serving", b"x") for each in HOSTILE),
)
SETTINGS = (
    b"kafka=a:1\npartitions=8\nsources=a=native\nworkers=graph=2\nscoring=lift_accept=1.5",
    b"api_proxies=10.0.0.0/8\nlog_json=maybe\nsecret=short\nkafka=" + b"a:1," * 2_000,
    *(b"dead_letter_ratio=" + each + b"\npartitions=" + each for each in NUMBERS),
)
SETTINGS_FILES = (
    b'kafka = "a:1"\n[sources]\n"a" = "native"\n',
    b"dead_letter_ratio = 1" + b"0" * 400,
    b"api_rate = nan\n",
    b"a = " + b"[" * 3_000,
    b"a" + b".a" * 2_000 + b" = 1",
    b"partitions = 1979-05-27T07:32:00Z",
    *HOSTILE[:3],
)
MAPPINGS = (
    (ROOT / "streams/schemas/mapping.example.toml").read_text(),
    '[catalog]\nid = "id"\ntitle = "title"\n',
)
ONTOLOGIES = (
    b'[attributes]\ncolor = { kind = "open" }\n[types]\nfashion = {}\n'
    b'shoes = { parents = ["fashion"] }\n',
    b'[types]\na = { parents = ["b"] }\nb = { parents = ["a"] }\n',
    b"[types]\n" + b"a" + b".a" * 2_000 + b" = 1",
    *HOSTILE[:3],
)
LABEL_MAPPINGS = tuple(
    (ROOT / f"models_onnx/mappings/{name}.toml").read_bytes() for name in published()
)
MANIFESTS = (
    tuple(
        file.read_bytes() for file in sorted((ROOT / "models_onnx/bundles").glob("*/bundle.toml"))
    )
    + SETTINGS_FILES[3:5]
)
STATUS = (
    b'{"stage":"graph","slot":0,"pid":1}',
    b'{"pid":1,"host":"127.0.0.1","port":1,"graph":"g/1"}',
    *HOSTILE,
)
SMALL = (b'{"tokens":[],"version":1}', b"AAAAAAAA", b"-_" * 100, *HOSTILE)
LINES = (b'{"id": 1, "text": "red shoes"}\n{"id": 2}\n', b"\xef\xbb\xbf{}\n\n\n", *HOSTILE)
REQUESTS = (
    b"/v1/nodes/value%3Acolor%2Fred/neighbors\nlimit=5&direction=in\n",
    b"/v1/facts\nstatus=all&cursor=AAAA&limit=10\n",
    b"/v1/intents\nq=red+shoes\n",
    b'/v1/intents:batch\n\n{"queries": ["red shoes"], "limit": 3}',
    b"/v1/facts/" + b"0" * 32 + b"/why\n\n",
    *(b"/v1/intents:batch\n\n" + each for each in HOSTILE),
    b"/v1/nodes/%ff%00\nstatus=%ff&limit=9" + b"9" * 5_000 + b"\n",
)
TAXONOMY = (
    b"- {id: aa, name: Apparel, children: [aa-1], attributes: [color]}\n"
    b"- {id: aa-1, name: Clothing, children: [], attributes: [color]}\n",
    b"base_attributes:\n"
    b"- {id: 1, name: Color, friendly_id: color, handle: c, values: [color__gray]}\n"
    b"extended_attributes: []\n",
    b"- {id: 1, name: Gray, friendly_id: color__gray, handle: g}\n",
)
YAML = (*TAXONOMY, b"- &a [*a]", b"a: " * 300, b"!!python/object:os.system x", *HOSTILE[:6])


def of_source(name: str) -> tuple[bytes, ...]:
    """Seeds of a shop's own format: golden records where there are some."""
    golden = ROOT / "tests/golden/events"
    found = [
        line
        for file in sorted(golden.rglob("*"))
        if file.is_file() and name.split("-")[0] in file.name
        for line in file.read_bytes().splitlines()[:5]
    ]
    return (*found, *NATIVE, *_CSV)


def of_stage(stage: str) -> tuple[bytes, ...]:
    """Records of a stage's inputs: its number among them, then key and value."""
    if stage == "shoppers":
        rows = [_record(b"s", each) for each in (*NATIVE, _EVENT)]
        rows += [
            _record(
                b"s",
                b'{"type":"Purchase","id":"e","at_ms":1700000000000,"shopper":"s","product":"p"}',
            )
        ]
        return tuple(b"\0" + row for row in rows)
    rows = [*_OF_STAGE[stage], MARKER, *(_record(b"\0" * 10, each) for each in HOSTILE)]
    return tuple(bytes([place]) + row for place in range(4) for row in rows)


@functools.cache
def folder() -> Path:
    """For targets that read files; gone with the process."""
    made = tempfile.TemporaryDirectory(prefix="cartograph-fuzz-")
    _KEPT.append(made)
    return Path(made.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def taxonomy(where: Path) -> Path:
    """A small taxonomy that can be read."""
    (where / "categories").mkdir(parents=True, exist_ok=True)
    for name, content in zip(
        ("categories/all.yml", "attributes.yml", "values.yml"), TAXONOMY, strict=True
    ):
        (where / name).write_bytes(content)
    return where
