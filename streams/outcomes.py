"""How every input record ends (DESIGN, rule 8): nothing vanishes, and the counts add up."""

USED = "used"
LATE = "late"
DUPLICATE = "duplicate"
CAPPED = "capped"
ERASED = "erased"  # of a shopper who asked to be forgotten
DEAD_LETTER = "dead_letter"
STALE = "stale"  # a total that a newer one of its sender has overtaken, a marker, a tombstone
UNUSED = "unused"  # read, and of a kind that the graph has no use for: an impression, postage
OUTCOMES = (USED, LATE, DUPLICATE, CAPPED, ERASED, DEAD_LETTER, STALE, UNUSED)
