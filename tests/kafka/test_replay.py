"""A graph beside the one that runs is that graph, however often its making is killed."""

import os
import signal
from pathlib import Path

import pytest

from streams import status
from streams.cli.state import digested
from tests.kafka.generations import begin, beside, call, digest_of, told
from tests.kafka.helpers import wait_until
from tests.kafka.running import Stages, facts_of
from tests.kafka.test_backfill import graph

pytestmark = pytest.mark.kafka


def test_replays_from_events_and_from_totals_are_the_graph_that_runs(
    kafka: str, topic_prefix: str, tmp_path: Path
):
    live = graph(kafka, topic_prefix, tmp_path / "live")
    with Stages(live) as stages:
        stages.rest()
        wanted = digested(live)
        assert wanted.facts > 100
        by_events = told(live, "replay", "--generation", "by-events")
        assert by_events["digest"]["digest"] == wanted.digest
        by_totals = told(live, "replay", "--base", "totals", "--to", "now")
        assert by_totals["digest"]["digest"] == wanted.digest
        assert by_totals["replayed"]["generation"] == "g1"
        stages.rest()
        assert digested(live) == wanted
