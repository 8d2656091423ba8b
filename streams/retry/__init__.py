"""Dead letters looked at, and sent through ROUTE once more."""
