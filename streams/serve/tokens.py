"""Tokens of the read API: made, listed, revoked, and checked, in one file of their hashes.

A token is `cg_<id>_<secret>`: the id finds the row, the secret is 256 random bits, of which the
file holds the SHA-256. Nothing slower is needed for what nobody can guess (NIST SP 800-63B,
5.1.2.2: secrets of at least 112 bits may be hashed once). The file changes in one step, and a
server reads it again when it has changed, so a token that is revoked is refused from then on.
"""

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from streams.errors import SettingsError
from streams.serve.auth import Identity, Role
from streams.settings import Settings

PREFIX: Final = "cg_"
_TOKEN = re.compile(r"cg_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_NOBODY = hashlib.sha256(b"").hexdigest()
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LARGEST = 8 << 20


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token, as the file keeps it.

    Attributes:
        id: 12 hex digits, no secret.
        name: who has it, for people.
        role: what it may ask.
        sha256: of its secret, 64 hex digits.
        created_ms, expires_ms: ms since 1970; 0: it does not expire.
    """

    id: str
    name: str
    role: Role
    sha256: str
    created_ms: int
    expires_ms: int = 0


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    tokens: tuple[Token, ...] = ()
    version: int = 1


def file_of(settings: Settings) -> Path:
    """Where the tokens of these settings stand."""
    return settings.api_tokens_file or settings.data_dir / "api_tokens.json"


def decode(told: bytes) -> Tokens:
    """The content of a file.

    Raises:
        ValueError: it is none of ours; the message shows nothing of it.
    """
    try:
        found = msgspec.json.decode(told, type=Tokens)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("it is no file of tokens") from error
    if found.version != 1 or len({each.id for each in found.tokens}) != len(found.tokens):
        raise ValueError("it is of another version, or names an id twice")
    if not all(_SHA256.fullmatch(each.sha256) for each in found.tokens):
        raise ValueError("a sha256 in it is not 64 hex digits")
    return found


def read(file: Path) -> Tokens:
    """The tokens of a file; none where there is no file.

    Raises:
        SettingsError: it cannot be read, is none of ours, or others may write to it.
    """
    try:
        with file.open("rb") as opened:
            _check_mode(file, os.fstat(opened.fileno()).st_mode)
            return decode(opened.read(_LARGEST))
    except FileNotFoundError:
        return Tokens()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the tokens of {file} cannot be used ({error}): restore the file, or delete it and "
            "make tokens anew with `cartograph token create`"
        ) from error


def create(
    file: Path, name: str, role: Role, *, now_ms: int, expires_ms: int = 0, replace: bool = False
) -> tuple[Token, str]:
    """Add a token to the file.

    Args:
        file: made if missing, for its owner alone.
        name: letters, digits and "._@-"; one token a name.
        role: what it may ask.
        now_ms: ms since 1970.
        expires_ms: likewise; 0: never.
        replace: takes the place of a token of the same name.

    Returns:
        Its row, and the token itself, which stands nowhere and is never shown again.

    Raises:
        SettingsError: a bad name, one that is taken, or a file that cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name: letters, digits and ._@-, at most 64")
    secret = secrets.token_urlsafe(32)
    token = Token(secrets.token_hex(6), name, role, _hash(secret), now_ms, expires_ms)
    with _changing(file) as before:
        if not replace and any(each.name == name for each in before.tokens):
            raise SettingsError(
                f"there is a token {name}: revoke it first (`cartograph token revoke {name}`, or "
                "--replace, which does both), or take another name"
            )
        kept = tuple(each for each in before.tokens if each.name != name)
        _write(file, Tokens((*kept, token)))
    return token, f"{PREFIX}{token.id}_{secret}"


def revoke(file: Path, which: str) -> Token:
    """Take a token out of the file, by its id or name.

    Raises:
        SettingsError: there is none, or the file cannot be used.
    """
    with _changing(file) as before:
        gone = [each for each in before.tokens if which in (each.id, each.name)]
        if not gone:
            raise SettingsError(f"there is no token {which}: `cartograph token list` names them")
        _write(file, Tokens(tuple(each for each in before.tokens if each not in gone)))
    return gone[0]


class Checker:
    """Knows the bearer of a token; reads the file again when it has changed.

    Args:
        file: of tokens; it may not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._rows: dict[str, Token] = {}

    def identify(self, told: str, now_ms: int) -> Identity | None:
        """Whose token it is; None: nobody's, or expired.

        Takes as long whether or not the id exists: the hash is always compared.

        Raises:
            SettingsError: the file cannot be used; then nobody is known.
        """
        self._refresh()
        match = _TOKEN.fullmatch(told)
        row = self._rows.get(match[1]) if match else None
        same = hmac.compare_digest(
            _hash(match[2] if match else told), row.sha256 if row else _NOBODY
        )
        if row is None or not same or 0 < row.expires_ms <= now_ms:
            return None
        return Identity(f"token {row.id}", row.role)

    def _refresh(self) -> None:
        try:
            found = self._file.stat()
            seen: tuple[int, ...] = (found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode)
        except OSError:
            seen = ()
        if seen != self._seen:
            self._rows, self._seen = {}, None
            self._rows = {each.id: each for each in read(self._file).tokens}
            self._seen = seen


def _check_mode(file: Path, mode: int) -> None:
    if mode & _OTHERS_WRITE:
        raise SettingsError(
            f"others may write to {file}, and may have put tokens into it: make sure that all of "
            "them are yours, then `chmod go-w` it"
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@contextlib.contextmanager
def _changing(file: Path) -> Iterator[Tokens]:
    """The tokens of the file, which no other command changes meanwhile."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_name(f"{file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield read(file)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written ({error.strerror or error}): choose another place with "
            "CARTOGRAPH_API_TOKENS_FILE"
        ) from error


def _write(file: Path, tokens: Tokens) -> None:
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o600
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        os.fchmod(opened.fileno(), mode)
        opened.write(msgspec.json.format(msgspec.json.encode(tokens)) + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
