"""What others wrote is pinned, hashed and under a licence that we may pass on."""

import json

import pytest

from tests.deploy.audit import EXCEPTIONS, LOCKS, bad_licences, is_allowed, read_audit, read_lock

HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda lock: lock.name)
def test_every_requirement_is_pinned_and_hashed(lock):
    locked = list(read_lock(lock.read_text()))
    assert locked
    assert len({(each.name, each.version) for each in locked}) == len(locked)


@pytest.mark.parametrize(
    "line",
    ["a", "a==1", f"a>=1 {HASH}", f"a @ https://x/a.whl {HASH}", "-e .", f"git+ssh://a {HASH}"],
)
def test_anything_else_is_found(line):
    with pytest.raises(ValueError, match="not pinned and hashed"):
        list(read_lock(f"b==1 \\\n    {HASH}\n{line}\n"))


def test_what_is_tested_is_what_is_shipped():
    shipped, tested = (
        {(each.name, each.version) for each in read_lock((LOCKS / f"{name}.txt").read_text())}
        for name in ("cpu", "dev")
    )
    assert shipped <= tested


def test_what_is_shipped_may_be_passed_on():
    assert bad_licences(each.name for each in read_lock((LOCKS / "cpu.txt").read_text())) == []
    assert all(len(why) > 20 for why in EXCEPTIONS.values())


@pytest.mark.parametrize(
    "licence", ["MIT", "Apache-2.0 OR GPL-3.0", "MPL-2.0 AND (Apache-2.0 OR MIT)"]
)
def test_licences_that_are_allowed(licence):
    assert is_allowed(licence)


@pytest.mark.parametrize(
    "licence", ["", "GPL-3.0", "MIT AND GPL-3.0", "Proprietary", "AGPL-3.0 OR GPL-3.0"]
)
def test_licences_that_are_not(licence):
    assert not is_allowed(licence)


def test_a_package_that_could_not_be_looked_up_is_not_taken_for_sound():
    told = {
        "dependencies": [
            {"name": "a", "skip_reason": "not found"},
            {"name": "b", "version": "1", "vulns": [{"id": "CVE-1"}]},
        ]
    }
    assert read_audit(json.dumps(told)) == (["b 1: CVE-1"], ["a"])
    assert read_audit("Traceback")[1]
