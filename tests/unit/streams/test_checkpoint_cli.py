"""`cartograph checkpoint create`: what it says while it waits."""

from streams.cli.checkpoint import _awaited


def test_who_is_waited_for_is_named():
    missing = [("graph", 0), ("graph", 1), ("queries", 1)]
    assert _awaited(missing, 8) == "5 of 8 partitions; waiting for workers of graph, queries"
