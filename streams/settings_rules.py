"""How one setting is read from the text of an environment or from a TOML value."""

import ipaddress
import re
from pathlib import Path
from typing import Protocol

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class NotAllowed(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """A value that a setting may not have; the text says what is wrong with it, if anything."""


class Rule(Protocol):
    """Reads one value; `allowed` says in words what it may be."""

    @property
    def allowed(self) -> str: ...

    def read(self, told: object) -> object:
        """The value; raises NotAllowed."""
        ...


class Text:
    """Text that matches a whole pattern."""

    def __init__(self, allowed: str, pattern: str = r".*", *, secret: bool = False) -> None:
        self.allowed = allowed
        self.secret = secret
        self._pattern = re.compile(pattern, re.DOTALL)

    def read(self, told: object) -> str:
        if not isinstance(told, str):
            raise NotAllowed("not text")
        text = told.strip()
        if not self._pattern.fullmatch(text):
            raise NotAllowed
        return text


class Choice:
    """One of a few words; case does not matter."""

    def __init__(self, *words: str) -> None:
        self._words = {word.lower(): word for word in words}
        self.allowed = "one of " + ", ".join(words)

    def read(self, told: object) -> str:
        word = self._words.get(told.strip().lower()) if isinstance(told, str) else None
        if word is None:
            raise NotAllowed
        return word


class Integer:
    """A whole number in a range, both ends included."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.allowed = f"a whole number from {low} to {high}"

    def read(self, told: object) -> int:
        if isinstance(told, bool) or not isinstance(told, int | str):
            raise NotAllowed("not a whole number")
        try:
            number = int(told)
        except ValueError:
            raise NotAllowed("not a whole number") from None
        if not self._low <= number <= self._high:
            raise NotAllowed
        return number


class Number:
    """A number in a range, both ends included."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.allowed = f"a number from {low:g} to {high:g}"

    def read(self, told: object) -> float:
        if isinstance(told, bool) or not isinstance(told, int | float | str):
            raise NotAllowed("not a number")
        try:
            number = float(told)
        except (ValueError, OverflowError):
            raise NotAllowed("not a number") from None
        if not self._low <= number <= self._high:
            raise NotAllowed
        return number


class Flag:
    """Yes or no."""

    allowed = "one of " + ", ".join(_YES + _NO)

    def read(self, told: object) -> bool:
        if isinstance(told, bool):
            return told
        word = str(told).strip().lower()
        if word not in _YES + _NO:
            raise NotAllowed
        return word in _YES


class Folder:
    """A path; it need not exist yet. Empty means none, where that is allowed."""

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional
        self.allowed = "a path, or nothing" if optional else "a path"

    def read(self, told: object) -> Path | None:
        if not isinstance(told, str | Path) or "\0" in str(told):
            raise NotAllowed
        if str(told).strip():
            return Path(told).expanduser()
        if not self._optional:
            raise NotAllowed
        return None


class Words:
    """Words: a list in TOML, separated by commas in the environment."""

    allowed = "words, separated by commas"

    def read(self, told: object) -> tuple[str, ...]:
        parts = told.split(",") if isinstance(told, str) else told
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise NotAllowed
        words = tuple(part.strip() for part in parts if part.strip())
        if not words:
            raise NotAllowed
        return words


class Networks(Words):
    """Networks of addresses, each written as CIDR; none is allowed.

    A network of all addresses is not: what every sender may claim is no proof of anything.
    """

    allowed = "networks such as 10.0.3.0/24 or fd00::/64, separated by commas"

    def read(self, told: object) -> tuple[str, ...]:
        if not told:
            return ()
        words = super().read(told)
        for word in words:
            try:
                network = ipaddress.ip_network(word)
            except ValueError as error:
                raise NotAllowed(str(error)) from None
            if network.prefixlen == 0:
                raise NotAllowed(f"{word} is every address there is")
        return words


class Table:
    """Names with values: a table in TOML, `name=value,name=value` in the environment."""

    def __init__(self, name: str, values: Rule, keys: Rule | None = None) -> None:
        self._values, self._keys = values, keys
        what = f"{name} ({keys.allowed})" if keys else name
        self.allowed = f"{what} = {values.allowed}; several separated by commas"

    def read(self, told: object) -> dict[str, object]:
        pairs: dict[str, object] = {}
        if isinstance(told, str):
            for part in filter(None, (part.strip() for part in told.split(","))):
                name, equals, value = part.partition("=")
                if not equals or not name.strip() or name.strip() in pairs:
                    raise NotAllowed(f"at {part!r}")
                pairs[name.strip()] = value.strip()
        elif isinstance(told, dict):
            pairs = {str(name): value for name, value in told.items()}
        else:
            raise NotAllowed("not a table")
        return {self._name(name): self._value(name, value) for name, value in pairs.items()}

    def _name(self, name: str) -> str:
        try:
            return name if self._keys is None else str(self._keys.read(name))
        except NotAllowed as error:
            raise NotAllowed(f"at {name!r}") from error

    def _value(self, name: str, value: object) -> object:
        try:
            return self._values.read(value)
        except NotAllowed as error:
            raise NotAllowed(f"at {name!r}") from error
