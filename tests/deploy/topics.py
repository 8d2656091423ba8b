"""The topics as the chart needs them; `make deploy-topics` writes them into its files."""

import sys

import yaml

from streams.topics import Names, plan

COMMAND = "make deploy-topics"
COUNTED = "min.insync.replicas"
"""Follows from the replication, which is a value of the chart."""

_TEXT = f"# Written by `{COMMAND}`: the contract of streams/topics.py.\n"


def render() -> str:
    """The file: each topic's name, whether it is cut by owner, and its Kafka settings."""
    topics = [
        {
            "name": spec.topic.name,
            "byOwner": spec.partitions > 1,
            "config": {name: value for name, value in spec.config.items() if name != COUNTED},
        }
        for spec in plan(Names(), partitions=2, replication=3)
    ]
    return _TEXT + yaml.safe_dump({"topics": topics}, sort_keys=False)


if __name__ == "__main__":
    sys.stdout.write(render())
