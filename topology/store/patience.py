"""Open a store that another process is writing."""

import time
from collections.abc import Callable
from typing import Any, Final

TRIES: Final = 40
_WAIT_S: Final = 0.05


def patiently(open_: Callable[[], Any], *, tries: int = TRIES) -> Any:
    """What `open_` returns; tries again while files vanish beneath it.

    A read-only open lists a store's files and then opens them; the writer's compaction may remove
    one between the two, and a writer that begins a store has no files yet. Any other error, and the
    last, is raised.
    """
    for left in reversed(range(tries)):
        try:
            return open_()
        except Exception as error:
            if not left or "No such file" not in str(error):
                raise
            time.sleep(_WAIT_S)
    raise ValueError("tries must be 1 or more")
