"""GRAPH: totals of claims in, facts with a status out. `stage.py` first."""
