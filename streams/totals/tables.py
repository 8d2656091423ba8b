"""Totals from owner to owner: where they stand in a partition's state.

The protocol is DESIGN, "How totals travel". `outbox.Outbox` is a sender's half: absolute totals,
the keys still to send, markers. `inbox.Inbox` is a receiver's half: the newest total of every
sender, added up. Both keep everything in the partition's `State`, so one commit covers them.
"""

CODES = {
    "searched": b"s",
    "bought": b"b",
    "asked": b"a",
    "together": b"t",
    "claims": b"c",
    "facts": b"f",
}
"""The first byte of a total's row key, by its topic."""
TABLES = ("totals", "to_send", "notes", "held", "meta")
