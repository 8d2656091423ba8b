"""Whether a secret is the one that a graph's pseudonyms are made with. Pure.

With another secret every shopper would be somebody new, and nobody could be found to be forgotten;
nothing in the data would show it. So ROUTE notes, when it first runs, a value that follows from its
secret, and all that have a secret compare theirs with it. The value is a pseudonym in a role of its
own: it tells no more of the secret than any pseudonym does.
"""

from typing import Final

from streams.errors import SettingsError
from streams.privacy import pseudonym

KEY: Final = b"secret"
FIRST: Final = b"secret/"
"""Begins the key of a check that counts unless another was noted before it; a key for each, since
compaction keeps the last record of one."""
_ROLE: Final = "secret"


def value_of(secret: bytes) -> bytes:
    """22 characters that no other secret gives; to be noted under `KEY`."""
    return pseudonym(secret, "", _ROLE).encode()


def first_record(secret: bytes) -> tuple[bytes, bytes]:
    """Key and value of a check that counts if it is the first."""
    value = value_of(secret)
    return FIRST + value, value


def refuse_other(noted: bytes, secret: bytes, topic: str) -> None:
    """Raise unless this is the secret that was noted, or none was noted so far.

    Args:
        noted: value that counts; b"": there is none.
        secret: of these settings.
        topic: full name of the control topic, for people.

    Raises:
        SettingsError: it is another one.
    """
    if noted and noted != value_of(secret):
        raise SettingsError(
            "CARTOGRAPH_SECRET is not the one that ROUTE made this graph's pseudonyms with "
            f"({topic} has a check of it): set that one, or correct CARTOGRAPH_PREFIX. If it is "
            "lost for good, start ROUTE once with CARTOGRAPH_ALLOW_EMPTY_STORE=1: all shoppers are "
            "new ones then, and nobody of before can be found to be forgotten"
        )
