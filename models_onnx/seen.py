"""Which values a bundle was trained on: `seen.bin`, a sorted set of 4-byte hashes.

    bytes 0..7   b"SEEN", version 1 as uint32
    bytes 8..    the hashes, uint32, ascending, each once; all numbers little-endian

Labels are the tagger's own (claims: attributes); whole titles, and both sides of pairs, stand under
the label "text", by which typing and synonyms tell seen texts.

A hash is blake2b of "label NUL value", the value without case, accents and punctuation. Of n values
a value never seen is taken for seen with a chance of n / 2^32: 1 in 43,000 at 100,000 values.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models_onnx.errors import BundleError
from models_onnx.tagging.splits import normal

SEEN_FILE = "seen.bin"
TEXT = "text"
"""Label under which whole texts (titles, sides of a pair) stand."""

_MAGIC = b"SEEN" + (1).to_bytes(4, "little")
_HASH = np.dtype("<u4")


class Seen:
    """A set of (label, value); `len` is how many."""

    def __init__(self, hashes: npt.NDArray[np.uint32]) -> None:
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self._hashes)

    def has(self, label: str, value: str) -> bool:
        """Whether the value was seen under the label, however it is written."""
        key = _hash(label, value)
        at = int(np.searchsorted(self._hashes, np.uint32(key)))
        return at < len(self._hashes) and int(self._hashes[at]) == key


def of(values: Iterable[tuple[str, str]]) -> Seen:
    """The set of these (label, value)."""
    hashes = np.fromiter({_hash(label, value) for label, value in values}, _HASH)
    hashes.sort()
    return Seen(hashes)


def write(folder: Path, seen: Seen) -> Path:
    """Write `seen.bin` into a bundle's folder; the same set gives the same bytes."""
    path = folder / SEEN_FILE
    path.write_bytes(_MAGIC + seen._hashes.astype(_HASH).tobytes())
    return path


def read(folder: Path) -> Seen | None:
    """The set in a bundle's folder, None where the bundle has none.

    Raises:
        BundleError: the file is cut off, of another version, or not in order.
    """
    path = folder / SEEN_FILE
    if not path.exists():
        return None
    data = path.read_bytes()
    if data[: len(_MAGIC)] != _MAGIC or (len(data) - len(_MAGIC)) % _HASH.itemsize:
        raise BundleError(f"{path} is no seen file of this version; fetch the bundle again")
    hashes = np.frombuffer(data, _HASH, offset=len(_MAGIC))
    if (hashes[1:] <= hashes[:-1]).any():
        raise BundleError(f"{path} is not in order; fetch the bundle again")
    return Seen(hashes)


def _hash(label: str, value: str) -> int:
    told = f"{label}\0{normal(value)}".encode(errors="replace")
    return int.from_bytes(hashlib.blake2b(told, digest_size=_HASH.itemsize).digest(), "little")
