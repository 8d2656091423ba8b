"""Which values mean the same: blocking, scoring, clusters."""
