"""Results of a bench: a table on the screen, and `.cartograph/bench/NAME.json`."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".cartograph" / "bench"
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: what was measured, with the size of it.
        value: the median of the runs.
        unit: of the value.
        peer: whom it is compared with, or what, None: nobody.
        peer_value: of the peer, in the same unit, the median too.
        ratio: value / peer_value.
        target: what value, or ratio where there is a peer, is to reach; None: none is set.
        met: whether it does; None: there is no target.
        spread: (largest - smallest) / median of the runs, 0..; None: one run.
    """

    what: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: float | None = None
    met: bool | None = None
    spread: float | None = None


def row(
    what: str,
    runs: Sequence[float],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    peer: str | None = None,
    peer_runs: Sequence[float] = (),
) -> Row:
    """The figure that several runs give; with a peer the target is of the ratio."""
    value = statistics.median(runs)
    peer_value = statistics.median(peer_runs) if peer_runs else None
    ratio = value / peer_value if peer_value else None
    judged = value if ratio is None else ratio
    target = at_least if at_most is None else at_most
    met = None
    if at_least is not None:
        met = judged >= at_least
    elif at_most is not None:
        met = judged <= at_most
    spread = (max(runs) - min(runs)) / value if len(runs) > 1 and value else None
    return Row(
        what,
        _rounded(value),
        unit,
        peer,
        None if peer_value is None else _rounded(peer_value),
        None if ratio is None else round(ratio, 3),
        target,
        met,
        None if spread is None else round(spread, 3),
    )


def save(name: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Print the table, and write the rows to a file of this name."""
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(title=f"bench {name}", title_justify="left")
    for column in ("what", "value", "unit", "spread", "peer", "peer value", "ratio", "target", ""):
        table.add_column(column, justify="left" if column in ("what", "unit", "peer") else "right")
    for each in rows:
        table.add_row(
            each.what,
            _shown(each.value),
            each.unit,
            "" if each.spread is None else f"{each.spread:.0%}",
            each.peer or "",
            _shown(each.peer_value),
            "" if each.ratio is None else f"{each.ratio:.2f}",
            _shown(each.target),
            "" if each.met is None else "met" if each.met else "missed",
        )
    console.print(table)
    for note in notes:
        console.print(f"  {note}", style="dim", highlight=False)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"  {os.cpu_count()} CPUs, load {load}", style="dim", highlight=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")
    console.print(f"  written to {file.relative_to(REPOSITORY)}", style="dim", highlight=False)


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 100 else round(value, 4)


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.4g}"
