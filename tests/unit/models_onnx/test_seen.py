"""The set of values that a bundle was trained on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_onnx import seen
from models_onnx.errors import BundleError

VALUES = st.lists(st.tuples(st.sampled_from(["brand", "color"]), st.text(max_size=12)), max_size=30)


@given(VALUES)
def test_what_was_put_in_is_in_however_it_is_written(values):
    found = seen.of(values)
    assert all(found.has(label, value) for label, value in values)
    assert all(found.has(label, f" {value.upper().lower()}!") for label, value in values)


def test_what_was_not_put_in_is_not_in():
    known = [("brand", f"acme {n}") for n in range(20_000)]
    found = seen.of(known)
    wrong = sum(found.has("brand", f"other {n}") for n in range(20_000))
    assert wrong <= 3, "expected 20,000 * 20,000 / 2^32 = 0.09 of them"
    assert not found.has("color", "acme 7")


def test_a_file_gives_the_same_set_and_the_same_bytes(tmp_path):
    made = seen.of([("brand", "Acme"), ("color", "Red"), ("brand", "acme")])
    path = seen.write(tmp_path, made)
    first = path.read_bytes()
    assert len(first) == 8 + 2 * 4
    read = seen.read(tmp_path)
    assert len(read) == len(made) == 2
    assert read.has("brand", "ACME")
    assert not read.has("brand", "Red")
    assert seen.write(tmp_path, read).read_bytes() == first


def test_a_bundle_without_the_file_remembers_nothing(tmp_path):
    assert seen.read(tmp_path) is None
    assert not seen.of([]).has("brand", "acme")


@pytest.mark.parametrize(
    "data", [b"", b"SEEN", b"SEEN\1\0\0\0abc", b"SEEN\2\0\0\0", b"SEEN\1\0\0\0\2\0\0\0\1\0\0\0"]
)
def test_a_damaged_file_is_refused(tmp_path, data):
    (tmp_path / seen.SEEN_FILE).write_bytes(data)
    with pytest.raises(BundleError, match="fetch the bundle again"):
        seen.read(tmp_path)
