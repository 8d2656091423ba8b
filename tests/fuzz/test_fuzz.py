"""Every decoder, briefly, with the same bytes in every run; `make fuzz` takes ten minutes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import Edit, mutated
from tests.fuzz.targets import TARGETS

EDITS = st.lists(
    st.builds(Edit, st.integers(0, 3), st.integers(0, 1 << 16), st.integers(0, 1 << 16)), max_size=8
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_reads_what_is_right_and_what_has_broken_others(name: str):
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_only_what_is_documented_comes_out_of_a_decoder(name: str):
    target = TARGETS[name]

    @settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(st.binary(max_size=200), st.builds(mutated, st.sampled_from(target.seeds), EDITS))
    )
    def run(data: bytes) -> None:
        target.run(data)

    run()
