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
_ROLE: Final = "secret"


def value_of(secret: bytes) -> bytes:
    """22 characters that no other secret gives; to be noted under `KEY`."""
    return pseudonym(secret, "", _ROLE).encode()


def refuse_other(noted: bytes, secret: bytes, topic: str) -> None:
    """Raise unless this is the secret that was noted, or none was noted so far.

    Args:
        noted: value under `KEY`; b"": there is none.
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
