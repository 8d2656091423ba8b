"""Every error that `topology` raises, each saying what the operator can do."""


class TopologyError(Exception):
    """Base of all errors of the graph's own code. Catch this at the edge, never inside."""


class BadNodeError(TopologyError, ValueError):
    """A node id, a slug, an attribute or a relation name breaks the grammar in `topology.facts`.

    Operator: the message names the text and the rule. If it came from a shop's own data the
    record belongs in the dead letters; if it came from a setting, correct the setting.
    """


class BadFactError(TopologyError, ValueError):
    """Bytes that should be a fact are not one, or its parts disagree with its id.

    Operator: the message names the field. A fact that was published by another version is
    read after `cartograph replay`; a damaged store is restored from a checkpoint.
    """


class OntologyError(TopologyError, ValueError):
    """An ontology file cannot be used: a wrong key, a cycle, a parent or relation nobody wrote.

    Operator: the message names file and key and what to write instead. Nothing was changed.
    """


class StoreError(TopologyError):
    """Base of everything that is wrong with a store on disk."""


class StoreLayoutError(StoreError):
    """The store on disk was written with another key layout.

    Operator: restore a checkpoint of this layout, or rebuild the partition by replay.
    """


class StoreOwnerError(StoreError):
    """The store on disk belongs to another stage, partition or graph.

    Operator: point the worker at its own state folder, or move this one away.
    """


class StoreLockedError(StoreError):
    """Another process has the store open.

    Operator: find the process that holds it and stop it; a store has one process at a time.
    """
