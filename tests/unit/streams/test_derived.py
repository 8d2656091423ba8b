"""What is left to a backfill stands in the store, whatever moved and whenever it ended."""

from hypothesis import given
from hypothesis import strategies as st

from streams.state.derived import Derived
from topology.store.memory import MemoryStore


def test_what_other_bundles_derived_is_found_and_counted_until_it_is_derived_again():
    store = MemoryStore()
    old = Derived(store, "a@1 b@1")
    for thing in (b"p1", b"p2", b"p\0x"):
        old.note(thing, None)
    assert (old.older, old.oldest(9)) == (0, [])
    store.commit()
    new = Derived(MemoryStore(store.durable), "a@2 b@1")
    assert new.older == 3
    assert new.oldest(2) == [b"p\0x", b"p1"]
    new.note(b"p1", "a@1 b@1")
    new.forget(b"p\0x", "a@1 b@1")
    assert (new.older, new.oldest(9)) == (1, [b"p2"])
    new.note(b"p2", "a@1 b@1")
    new.note(b"p2", "a@2 b@1")
    assert (new.older, new.oldest(9)) == (0, [])


def test_an_id_that_begins_like_another_is_another():
    store = MemoryStore()
    Derived(store, "a@1").note(b"x", None)
    Derived(store, "a@10").note(b"y", None)
    Derived(store, "").note(b"z", None)
    assert Derived(store, "a@1").oldest(9) == [b"z", b"y"]
    assert Derived(store, "a@10").oldest(9) == [b"z", b"x"]
    assert Derived(store, "").oldest(9) == [b"x", b"y"]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["a", "b", "c", ""]))))
def test_counts_are_those_of_the_things_that_are_there(steps: list[tuple[str, str]]):
    store, now = MemoryStore(), dict[bytes, str]()
    for name, bundle in steps:
        thing = name.encode()
        if bundle:
            Derived(store, bundle).note(thing, now.get(thing))
            now[thing] = bundle
        else:
            Derived(store, "a").forget(thing, now.pop(thing, None))
    for bundle in "abc":
        others = sorted(thing for thing, by in now.items() if by != bundle)
        derived = Derived(store, bundle)
        assert (derived.older, sorted(derived.oldest(9))) == (len(others), others)
