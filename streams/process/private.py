"""Files for their owner alone, from the moment they are made on."""

import os
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Write a new file, or replace one, that nobody else may read or write (mode 0600)."""
    file.unlink(missing_ok=True)  # what stands there may be of another mode, or a link
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
