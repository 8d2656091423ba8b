"""Which records of a topic of totals mean nothing any more, though compaction keeps them. Pure.

A total's record key holds the incarnation of its sender, so that a zombie cannot have the last
word. So what a sender said in an earlier life stays for ever beside what it says now, with all
that it said: query text, evidence. No receiver takes it (`inbox.Inbox`): it has a newer total of
the same sender and key, or stands below a marker's floor. A tombstone lets compaction take it.
"""

from streams.totals.wire import BadMessageError, Marker, decode, total_key


class Tidy:
    """One partition of a topic of totals, read from its beginning to its end.

    Keeps every key of the partition in memory, about 200 bytes each.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._newest: dict[tuple[int, bytes], int] = {}
        self._floors: dict[int, int] = {}
        self._dead: dict[bytes, None] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """The next record of the partition."""
        if key is None:
            return
        if value is None:
            self._dead.pop(key, None)  # somebody was here before
            return
        try:
            told = decode(self._topic, key, value)
        except BadMessageError:
            return  # not ours to take away
        if isinstance(told, Marker):
            self._floors[told.sender] = max(told.floor, self._floors.get(told.sender, -1))
            return
        name = told.sender, told.key
        newest = self._newest.get(name, told.incarnation)
        if told.incarnation < newest:
            self._dead[key] = None
            return
        if told.incarnation > newest:
            self._dead[total_key(told.sender, newest, told.key)] = None
        self._newest[name] = told.incarnation

    def dead(self) -> list[bytes]:
        """Record keys to be given tombstones."""
        below = [
            total_key(sender, incarnation, key)
            for (sender, key), incarnation in self._newest.items()
            if incarnation < self._floors.get(sender, -1)
        ]
        return [*self._dead, *below]
