"""Looking at a store that is being compacted: files that vanish are asked for again."""

import pytest

from topology.store.patience import patiently


def opener(*outcomes: object):
    left = list(outcomes)

    def open_() -> object:
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return open_


def test_a_file_that_vanished_is_no_reason_to_give_up():
    gone = Exception("Corruption: Can't access /000281.sst: No such file or directory")
    assert patiently(opener(gone, gone, "store")) == "store"


def test_other_errors_and_the_last_one_are_raised():
    with pytest.raises(Exception, match="layout"):
        patiently(opener(Exception("another layout"), "store"))
    gone = Exception("No such file or directory")
    with pytest.raises(Exception, match="No such file"):
        patiently(opener(gone, gone, "store"), tries=2)
