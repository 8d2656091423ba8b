"""Faults on the real broker with real processes: after each the graph is that of a clean run."""
