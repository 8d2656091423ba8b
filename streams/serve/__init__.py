"""SERVE: a read replica of `graph.facts`, and the HTTP API over it."""
