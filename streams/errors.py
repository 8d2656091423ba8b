"""Every error of `streams`. Each message says what the operator can do.

CartographError
├── SettingsError          a setting is missing or wrong
├── SourceError            a source or mapping file cannot be used at all
├── StateError             what is on disk cannot be used as it is
│   ├── StoreLayoutError   written with another key layout
│   ├── StoreOwnerError    belongs to another stage, partition or graph
│   └── StoreLockedError   another process has it open
├── CheckpointError        a checkpoint, or the place of checkpoints, cannot be used
│   └── DamagedCheckpointError   what stands there is not what was written
├── TopicError             topics are missing, recreated, or of another partition count
├── BrokerError            no broker answers, or it could not be started
├── DeposedError           another process has claimed this partition
└── DeadLetterLimitError   too many records could not be read

BadMessageError            a record that no sender of ours could have written; no operator sees it
"""

from typing import Final

START_EMPTY: Final = (
    "start once with CARTOGRAPH_ALLOW_EMPTY_STORE=1, and without CARTOGRAPH_CHECKPOINT_URL, whose "
    "checkpoints are of before"
)
"""How a store is built again from its topics: a checkpoint goes before an empty store."""


class CartographError(Exception):
    """Base of all errors that an operator can act on."""


class SettingsError(CartographError):
    """A setting is missing or wrong; the message names it and its allowed values."""


class SourceError(CartographError):
    """A source or mapping file cannot be used at all (single bad records are `Rejected`)."""


class StateError(CartographError):
    """State on disk cannot be used as it is."""


class StoreLayoutError(StateError):
    """The store was written with another key layout: rebuild it, or restore one of this layout."""


class StoreOwnerError(StateError):
    """The store belongs to another stage, partition or graph: point `data_dir` elsewhere."""


class StoreLockedError(StateError):
    """Another process has the store open: stop it, or wait until it has died."""


class CheckpointError(CartographError):
    """A checkpoint is damaged or missing, or the place of checkpoints cannot be read or written."""


class DamagedCheckpointError(CheckpointError):
    """A file or record of a checkpoint is missing, or not what was written: use another one."""


class TopicError(CartographError):
    """Topics are missing, were recreated, or have another partition count than the graph."""


class BrokerError(CartographError):
    """No broker answers, or the embedded one could not be started."""


class DeposedError(CartographError):
    """Another process has claimed this partition; this one must stop and start again."""


class DeadLetterLimitError(CartographError):
    """Too many records could not be read: the source or its mapping is wrong, not the records."""


class BadMessageError(Exception):
    """A record of a totals topic that no sender of ours could have written."""
