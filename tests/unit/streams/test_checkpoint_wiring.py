"""The checkpoints of a graph as its settings say."""

from pathlib import Path

import pytest

from streams.checkpoint.wiring import new_keeper
from streams.settings import Settings

SETTINGS = Settings(prefix="graph", partitions=2)


@pytest.mark.parametrize(("base", "stages"), [("events", 4), ("totals", 3)])
def test_a_checkpoint_is_complete_with_the_stages_that_its_graph_has(tmp_path: Path, base, stages):
    """One that is built from totals has no SHOPPERS; what is never complete is never pruned."""
    settings = SETTINGS.with_(
        generation="g1", generation_base=base, checkpoint_url=str(tmp_path / "place")
    )
    made = new_keeper(settings, "graph", partitions=dict, bundles=tuple, may_write=lambda: True)
    assert made is not None
    assert len(made._expected) == stages * settings.partitions
