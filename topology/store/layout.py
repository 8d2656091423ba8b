"""Which layout a store was written with: a number in a file of its folder.

The number says what rows there are and what they mean, for all stages; RocksDB's own format is
RocksDB's business. A store of an older layout is brought up to date before anything else reads it
(`streams/layout/migration.py`); meanwhile the file says `1>2`, which no program takes for its own.
"""

import os
from pathlib import Path
from typing import Final

from topology.errors import StoreError, StoreLayoutError

LAYOUT_VERSION: Final = 2
OLDEST_LAYOUT: Final = 1
"""The oldest that can be brought up to date."""
LAYOUT_FILE: Final = "cartograph-layout"
_NEW: Final = f"{LAYOUT_FILE}.new"
ROCKSDICT_FILE: Final = "rocksdict-config.json"
"""rocksdict makes a folder, with this file, of every path that it is asked to look at."""
_OF_NO_STORE: Final = (_NEW, ROCKSDICT_FILE)


def layout_of(path: Path, *, create: bool, oldest: int = LAYOUT_VERSION) -> int:
    """The layout of the store in a folder; one whose bringing up to date was cut short is older.

    Args:
        path: the folder; an empty or missing one becomes a store of this layout if `create`.
        create: whether a store may be made there.
        oldest: layouts from here on are taken.

    Raises:
        StoreLayoutError: it is of another layout, or no store of ours.
        StoreError: there is no store.
    """
    file = path / LAYOUT_FILE
    if file.exists():
        return _checked(path, file.read_text(encoding="utf-8", errors="replace").strip(), oldest)
    if not create:
        raise StoreError(f"{path} is no store of Cartograph: name the folder of a partition")
    if path.exists() and any(file.name not in _OF_NO_STORE for file in path.iterdir()):
        raise StoreLayoutError(
            f"{path} is not empty and has no {LAYOUT_FILE}: it is no store of Cartograph, point "
            "CARTOGRAPH_DATA_DIR at another folder"
        )
    path.mkdir(parents=True, exist_ok=True)
    write_layout(path)
    return LAYOUT_VERSION


def write_layout(path: Path, told: str = str(LAYOUT_VERSION)) -> None:
    """Say which layout a folder has, at once or not at all."""
    made = path / _NEW
    made.write_text(f"{told}\n", encoding="utf-8")
    os.replace(made, path / LAYOUT_FILE)


def _checked(path: Path, told: str, oldest: int) -> int:
    number, _, towards = told.partition(">")
    layout, newest = _number(number), max(_number(number), _number(towards))
    said = f"{path} was written with layout {told!r}, this program writes {LAYOUT_VERSION}"
    if newest > LAYOUT_VERSION:
        raise StoreLayoutError(
            f"{said}: a newer version has had it. Run that version again, restore a checkpoint of "
            "this layout, or move the folder away and rebuild it by replay"
        )
    if layout < OLDEST_LAYOUT:
        raise StoreLayoutError(
            f"{said} and reads {OLDEST_LAYOUT} at the oldest: restore a checkpoint of one of them, "
            "or move the folder away and rebuild it by replay"
        )
    if layout < oldest:
        raise StoreLayoutError(
            f"{said}: bring it up to date with `cartograph state migrate`, or start the worker, "
            "which does so too"
        )
    return layout


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
