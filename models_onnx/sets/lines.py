"""Lines and JSON rows of a file, gzip or plain by its first bytes; errors name file and line."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from models_onnx.errors import DataError

_GZIP = b"\x1f\x8b"


class Row(msgspec.Struct, frozen=True):
    """A JSON object and where it stands; looking a field up fails in the operator's words."""

    path: Path
    line: int
    fields: dict[str, Any]

    def text(self, name: str, *, empty: bool = False) -> str:
        """The text of a field; "" is refused unless `empty`.

        Raises:
            DataError: it is missing, no text, or empty.
        """
        found = self.fields.get(name)
        if not isinstance(found, str) or not (found.strip() or empty):
            self.fail(f"needs a text in {name!r}, has {_shown(found)}")
        return found

    def texts(self, name: str) -> list[str]:
        """The list of texts of a field.

        Raises:
            DataError: it is no list of texts.
        """
        found = self.fields.get(name)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            self.fail(f"needs a list of texts in {name!r}, has {_shown(found)}")
        return found

    def objects(self, name: str) -> list["Row"]:
        """The list of objects of a field, [] where it is missing.

        Raises:
            DataError: it is no list of objects.
        """
        found = self.fields.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            self.fail(f"needs a list of objects in {name!r}, has {_shown(found)}")
        return [Row(self.path, self.line, one) for one in found]

    def object(self, name: str) -> dict[str, Any]:
        """The object of a field.

        Raises:
            DataError: it is no object.
        """
        found = self.fields.get(name)
        if not isinstance(found, dict):
            self.fail(f"needs an object in {name!r}, has {_shown(found)}")
        return found

    def fail(self, what: str) -> NoReturn:
        """Say what is wrong with this line.

        Raises:
            DataError: always.
        """
        raise DataError(
            f"{self.path}, line {self.line}: {what}; mend it or name the set the file is of"
        )


def read(path: Path) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its end) of every line that is not blank.

    Raises:
        DataError: the file cannot be opened, unpacked, or is no UTF-8.
    """
    number = 0
    try:
        with path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
        opened = gzip.open if packed else open
        with opened(path, "rt", encoding="utf-8-sig", newline="\n") as text:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read after line {number} ({error}): name a whole UTF-8 file, "
            "plain or gzip"
        ) from error


def rows(path: Path) -> Iterator[Row]:
    """The JSON objects of a file, one a line.

    Raises:
        DataError: see `read`, or a line that is no JSON object.
    """
    for number, line in read(path):
        try:
            yield Row(path, number, msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError as error:
            raise DataError(f"{path}, line {number}: no JSON object ({error})") from error


def _shown(value: object) -> str:
    return "none" if value is None else repr(value)[:60]
