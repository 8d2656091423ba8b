"""Keys of the graph's tables come apart as they were put together."""

import pytest
from hypothesis import given

from tests.strategies_topology import NODES, RELATIONS
from topology.errors import BadFactError
from topology.facts import STATUSES, fact_id
from topology.keys import (
    id_key,
    index_key,
    index_prefix,
    index_row,
    owner_of,
    split_index_key,
    status_code,
    status_of,
)


@given(NODES, RELATIONS, NODES)
def test_an_index_key_comes_apart_again(first, relation, last):
    key = index_key(first, relation, last)
    assert split_index_key(key) == (first, relation, last)
    assert key.startswith(index_prefix(first))
    assert key.startswith(index_prefix(first, relation))
    assert key.startswith(index_prefix(first, relation, last[:3]))


@given(NODES, NODES, RELATIONS)
def test_what_begins_with_one_node_is_that_nodes(node, other, relation):
    key = index_key(other, relation, node)
    assert key.startswith(index_prefix(node)) == (node == other)


@pytest.mark.parametrize("text", ["", "zz", "00" * 15, "00" * 17, "accepted"])
def test_only_32_hex_digits_are_a_fact_id(text):
    with pytest.raises(BadFactError, match="32 hex digits"):
        id_key(text)


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_one_byte_that_comes_back(status):
    assert len(status_code(status)) == 1
    assert status_of(index_row(status, id_key(fact_id("a", "b", "c")))) == status


@pytest.mark.parametrize("row", [b"", b"x", b"\0"])
def test_a_damaged_row_is_an_error_that_says_what_to_do(row):
    with pytest.raises(BadFactError, match="restore a checkpoint"):
        status_of(row)


@pytest.mark.parametrize(
    ("head", "owner"),
    [
        ("product:a%3Ab", "product:a%3Ab"),
        ("type:shoes", "type:shoes"),
        ("concept:shoes[color=red]", "type:shoes"),
        ("value:color/red", "attr:color"),
    ],
)
def test_a_fact_has_the_owner_its_claims_have(head, owner):
    assert owner_of(head) == owner
