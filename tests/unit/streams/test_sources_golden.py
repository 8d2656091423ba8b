"""What ROUTE makes of small hand-written samples of every format, word for word.

`tests/golden/sources/NAME.in` holds one record a paragraph, `NAME.out` what is sent for it. After
a change that is meant, write them anew with CARTOGRAPH_TEST_GOLDEN=write and read the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from streams.ports import Record
from streams.route.stage import Route, RouteSettings

GOLDEN = Path(__file__).parents[2] / "golden" / "sources"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.in"))
NOW_MS = 1_748_736_000_000  # 2025-06-01


def spec_of(name: str) -> str:
    mapping = GOLDEN / f"{name}.toml"
    return str(mapping) if mapping.exists() else name


def routed(name: str) -> str:
    route = Route(RouteSettings({"shop": spec_of(name)}, b"golden secret of 16+", 4))
    lines = []
    for offset, value in enumerate((GOLDEN / f"{name}.in").read_bytes().strip().split(b"\n\n")):
        out = route.route("shop", 0, [Record(offset, NOW_MS, None, value)])
        tally = {key: count for key, count in sorted(out.tally.items()) if ".out" not in key}
        lines.append(f"# {offset} " + msgspec.json.encode(tally).decode())
        for message in out.messages:
            body = msgspec.json.decode(message.value)
            body.pop("sha256", None)
            lines.append(f"{message.topic} {message.partition} {message.key!r}")
            lines.append("  " + msgspec.json.encode(body).decode())
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_sent_for_a_sample_is_as_written_down(name: str) -> None:
    expected = GOLDEN / f"{name}.out"
    if os.environ.get("CARTOGRAPH_TEST_GOLDEN") == "write":
        expected.write_text(routed(name), encoding="utf-8")
    assert routed(name) == expected.read_text(encoding="utf-8")


def test_every_format_has_a_sample() -> None:
    from streams.sources import SOURCES

    assert set(SOURCES) <= set(NAMES)
