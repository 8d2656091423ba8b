"""What `graph.control` said of generations when a worker last read it here: for offline commands.

`cartograph worker` follows the topic anyhow, and notes it in the data folder. A command that must
not need Kafka takes from there which generation serves and what it was set to. The note may be
old, where no worker has run since a swap; the stores of this machine are as old then.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from streams.control.generation_log import of_base
from streams.control.generations import LIVE, Generation, Generations, Serving, settings_of
from streams.errors import StateError
from streams.process.status import run_folder, stage_folder
from streams.settings import RULES, STAGES, Settings
from streams.settings_rules import NotAllowed

log = logging.getLogger(__name__)

_CHOOSE = "CARTOGRAPH_GENERATION=NAME says which"


class _Note(msgspec.Struct, frozen=True):
    serving: Serving
    generations: tuple[Generation, ...]


_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder(_Note).decode


def note_file(settings: Settings) -> Path:
    """Where it stands, for all generations of a graph."""
    return run_folder(of_base(settings)) / "generations"


def write(settings: Settings, found: Generations) -> None:
    """Note what is known now; a disk that takes nothing is only told, in the log."""
    file = note_file(settings)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    data = _encode(_Note(found.serving, (found.live, *found.all)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(data)
        new.replace(file)
    except OSError as error:
        log.warning("%s is not written, so commands without Kafka go by less: %s", file, error)


def read(settings: Settings) -> Generations | None:
    """What was noted; None where no worker has run, or the file is not ours."""
    try:
        told = _decode(note_file(settings).read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return Generations(told.serving, told.generations)


def named_in(prefix: str, names: Iterable[str]) -> list[str]:
    """The generations among names of folders: "graph" is the first's, "graph.g2" that of g2."""
    found = []
    for name in names:
        own = LIVE if name == prefix else name.removeprefix(f"{prefix}.")
        if own != name and _is_name(own):
            found.append(own)
    return sorted(found, key=lambda each: (each != LIVE, each))


def _is_name(name: str) -> bool:
    try:
        return bool(RULES["generation"].read(name))
    except NotAllowed:
        return False


def here(settings: Settings) -> list[str]:
    """The generations of which this data folder has stores, the first one first."""
    base = of_base(settings)
    folders = [each.name for each in base.data_dir.glob(f"{base.prefix}*") if each.is_dir()]
    found = named_in(base.prefix, folders)
    return [each for each in found if _has_stores(settings_of(base, Generation(name=each)))]


def _has_stores(own: Settings) -> bool:
    stores = (each for stage in STAGES for each in stage_folder(own, stage).glob("*"))
    return any(each.name.isdigit() for each in stores)


def of_name(settings: Settings, name: str) -> Settings:
    """Settings of a generation, with what it was set to where that is noted."""
    known = read(settings)
    noted = known.get(name) if known else None
    if noted is not None:
        return settings_of(of_base(settings), noted)
    return settings_of(of_base(settings), Generation(name=name, base=settings.generation_base))  # type: ignore[arg-type]


def chosen(
    settings: Settings, there: Sequence[str], where: str, tell: Callable[[str], None]
) -> Settings:
    """Settings of the generation that is meant: the one that is named, else the one that serves.

    Where no worker has noted which one serves, or nothing of it is there, the only one that is.

    Args:
        settings: as an operator gave them.
        there: the generations that can be looked at.
        where: what that is, in words: "in .cartograph".
        tell: told which one was taken, unless there is only the first.

    Raises:
        StateError: there are several, and nothing says which one is meant.
    """
    if settings.generation:
        return of_name(settings, settings.generation)
    known = read(settings)
    serving = known.serving.name if known else ""
    if not there or serving in there:
        name = serving or LIVE
    elif len(there) == 1:
        name = there[0]
    else:
        what = f"{serving} answers and is not there" if serving else "none noted which one answers"
        raise StateError(
            f"{where} there are {', '.join(there)}, and {what}: {_CHOOSE} ({LIVE}: the first)"
        )
    others = [each for each in there if each != name]
    if name != LIVE or others:
        also = f"; {_CHOOSE}, {where} there is {', '.join(others)} too" if others else ""
        tell(f"of {name}{', which answers' if name == serving else ''}{also}")
    return of_name(settings, name)
