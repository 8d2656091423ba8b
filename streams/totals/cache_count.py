"""How often a cache of decoded rows had what was asked of it; pure, read by the edges."""


class CacheCount:
    """Look-ups that were answered from memory (`hits`) and from the store (`misses`)."""

    __slots__ = ("__weakref__", "hits", "misses")

    def __init__(self) -> None:
        self.hits = self.misses = 0
