"""Worker processes: how they are kept running, wired, and given their partitions."""
