"""The API keeps what it says of itself, whatever it is asked; `make schemathesis` asks more."""

import pytest

from tests.api.schemathesis_run import MODES, run


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_api_keeps_what_openapi_json_says(mode: str):
    done = run(mode, examples=10 if mode == "token" else 2)
    assert done.returncode == 0, done.stdout[:20_000] + done.stderr
    assert "Tested: 9" in done.stdout
