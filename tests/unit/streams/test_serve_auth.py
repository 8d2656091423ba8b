"""Who may ask what: roles, hosts, proxies and tokens, as rules."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import SettingsError
from streams.serve import tokens
from streams.serve.auth import ROLES, Identity, Proxied, bearer, check_host, needed, require
from streams.serve.problems import ProblemError
from streams.settings import Settings

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("path", "query", "role"),
    [
        ("/livez", "", None),
        ("/readyz", "status=all", None),
        ("/metrics", "", "reader"),
        ("/openapi.json", "", "reader"),
        ("/v1/facts", "status=accepted", "reader"),
        ("/v1/facts", "status=held", "reviewer"),
        ("/v1/facts", "status=accepted&status=all", "reviewer"),
        ("/v1/facts", "status=%61ll", "reviewer"),
        ("/v1/facts", "q=status=held", "reader"),
        ("/livez/", "", "reader"),
        ("/v1/nodes/x", "STATUS=held", "reader"),
    ],
)
def test_what_a_path_needs(path, query, role):
    assert needed(path, query) == role


def test_a_role_may_do_all_that_the_ones_before_it_may():
    for place, role in enumerate(ROLES):
        for other, wanted in enumerate(ROLES):
            if other <= place:
                require(Identity("x", role), wanted)
            else:
                with pytest.raises(ProblemError, match=f"needs the role {wanted}") as error:
                    require(Identity("x", role), wanted)
                assert error.value.status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8077", "localhost", "LOCALHOST:1", "[::1]:8077", "[::1]", "127.1.2.3"]
)
def test_without_authentication_this_machine_may_be_asked_by_its_names(host):
    check_host([(b"host", host.encode())])


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:8077", "127.0.0.1.evil.example", "10.0.0.1:80"]
)
def test_a_name_that_somebody_made_point_here_is_refused(host):
    with pytest.raises(ProblemError, match="only requests to localhost") as error:
        check_host([(b"host", host.encode())])
    assert error.value.status == 421


def test_a_bearer_token_is_read_once_or_refused():
    assert bearer([(b"authorization", b"Bearer  abc")]) == "abc"
    assert bearer([(b"authorization", b"bearer abc")]) == "abc"
    for other in (b"", b"Bearer", b"Bearer ", b"Basic abc"):
        assert bearer([(b"authorization", other)]) is None
    with pytest.raises(ProblemError, match="once"):
        bearer([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")])


PROXIED = Proxied(["10.0.3.0/24", "fd00::/64"], "x-user", "x-role")


def of(user: str = "ann", role: str = "reader") -> list[tuple[bytes, bytes]]:
    return [(b"x-user", user.encode()), (b"x-role", role.encode())]


@pytest.mark.parametrize("peer", ["10.0.3.7", "::ffff:10.0.3.7", "fd00::1"])
def test_a_proxy_is_believed_by_its_address(peer):
    assert PROXIED.identify(peer, of()) == Identity("user ann", "reader")


@pytest.mark.parametrize("peer", ["10.0.4.7", "127.0.0.1", "::ffff:10.0.4.7", "fd00:1::1", "", "x"])
def test_nobody_else_is_whatever_the_headers_say(peer):
    with pytest.raises(ProblemError, match="through the proxy") as error:
        PROXIED.identify(peer, [*of(role="admin"), (b"x-forwarded-for", b"10.0.3.7")])
    assert error.value.status == 403


def test_a_user_and_a_role_must_be_named_once():
    for headers, status in (
        ([], 401),
        (of(user=" "), 401),
        (of(user="x" * 201), 401),
        ([(b"x-user", b"ann")], 403),
        (of(role="root"), 403),
        ([*of(), (b"x-user", b"eve")], 400),
        ([*of(), (b"x-role", b"admin")], 400),
    ):
        with pytest.raises(ProblemError) as error:
            PROXIED.identify("10.0.3.7", headers)
        assert error.value.status == status, headers


def test_the_highest_of_several_groups_counts_and_without_a_header_all_are_readers():
    assert PROXIED.identify("10.0.3.7", of(role="staff, Reviewer,reader")).role == "reviewer"
    readers = Proxied(["10.0.3.0/24"], "x-user", "")
    assert readers.identify("10.0.3.7", of(role="admin")).role == "reader"


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.3.1/24", "evil", "10.0.3.0/33"])
def test_a_network_must_be_one_and_not_everybody(network):
    with pytest.raises(SettingsError, match="CARTOGRAPH_API_PROXIES"):
        Settings.from_env({"CARTOGRAPH_API_PROXIES": network})


def test_a_proxy_mode_without_proxies_is_refused():
    with pytest.raises(SettingsError, match="needs CARTOGRAPH_API_PROXIES"):
        Settings.from_env({"CARTOGRAPH_API_MODE": "proxy-header"})


def test_a_token_is_known_until_it_is_revoked_or_expires(tmp_path):
    file = tmp_path / "new" / "tokens.json"
    checker = tokens.Checker(file)
    assert checker.identify("cg_", NOW) is None
    ann, secret = tokens.create(file, "ann", "reviewer", now_ms=NOW)
    _, brief = tokens.create(file, "bob", "reader", now_ms=NOW, expires_ms=NOW + 5)
    assert checker.identify(secret, NOW) == Identity(f"token {ann.id}", "reviewer")
    assert checker.identify(brief, NOW + 4) is not None
    assert checker.identify(brief, NOW + 5) is None
    for wrong in (secret[:-1], secret + "x", secret.swapcase(), f"cg_{ann.id}_", ann.sha256, ""):
        assert checker.identify(wrong, NOW) is None
    mixed = f"cg_{ann.id}_{brief.rpartition('_')[2]}"
    assert checker.identify(mixed, NOW) is None
    assert tokens.revoke(file, "ann") == ann
    assert checker.identify(secret, NOW) is None
    assert [each.name for each in tokens.read(file).tokens] == ["bob"]


def test_the_file_holds_no_token_and_is_its_owners_alone(tmp_path):
    file = tmp_path / "tokens.json"
    _, secret = tokens.create(file, "ann", "reader", now_ms=NOW)
    kept = file.read_text()
    assert secret not in kept
    assert secret.rpartition("_")[2] not in kept
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_a_name_is_taken_once_unless_it_is_replaced(tmp_path):
    file = tmp_path / "tokens.json"
    _, old = tokens.create(file, "ann", "reader", now_ms=NOW)
    with pytest.raises(SettingsError, match="revoke it first"):
        tokens.create(file, "ann", "admin", now_ms=NOW)
    _, new = tokens.create(file, "ann", "admin", now_ms=NOW, replace=True)
    checker = tokens.Checker(file)
    assert checker.identify(old, NOW) is None
    found = checker.identify(new, NOW)
    assert found is not None
    assert found.role == "admin"
    with pytest.raises(SettingsError, match="no token eve"):
        tokens.revoke(file, "eve")
    with pytest.raises(SettingsError, match="is no name"):
        tokens.create(file, "a\nb", "reader", now_ms=NOW)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"tokens": [{"id": "a"}]}', b'{"version": 2}', b"[" * 100_000],
)
def test_a_file_that_is_none_lets_nobody_in_and_says_so(tmp_path, content):
    file = tmp_path / "tokens.json"
    _, secret = tokens.create(file, "ann", "reader", now_ms=NOW)
    checker = tokens.Checker(file)
    assert checker.identify(secret, NOW)
    file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(SettingsError, match="restore the file"):
            checker.identify(secret, NOW)


def test_a_file_that_others_may_write_is_not_believed(tmp_path):
    file = tmp_path / "tokens.json"
    _, secret = tokens.create(file, "ann", "reader", now_ms=NOW)
    checker = tokens.Checker(file)
    assert checker.identify(secret, NOW)
    os.chmod(file, 0o620)
    with pytest.raises(SettingsError, match="chmod go-w") as refused:
        checker.identify(secret, NOW)
    assert "delete" not in str(refused.value), "its tokens may all be good"
    os.chmod(file, 0o440)  # as Kubernetes mounts a Secret
    assert checker.identify(secret, NOW)


def test_two_rows_of_one_id_are_no_file_of_ours(tmp_path):
    file = tmp_path / "tokens.json"
    tokens.create(file, "ann", "reader", now_ms=NOW)
    told = json.loads(file.read_text())
    told["tokens"] *= 2
    file.write_text(json.dumps(told))
    with pytest.raises(SettingsError, match="names an id twice"):
        tokens.read(file)


@pytest.mark.parametrize("told_hash", ["", "é" * 64, "A" * 64, "0" * 63])
def test_a_hash_that_is_none_is_told_when_the_file_is_read(tmp_path, told_hash):
    """Not when somebody asks: it cannot be compared, and every answer would be a 500."""
    file = tmp_path / "tokens.json"
    tokens.create(file, "ann", "reader", now_ms=NOW)
    told = json.loads(file.read_text())
    told["tokens"][0]["sha256"] = told_hash
    file.write_text(json.dumps(told))
    with pytest.raises(SettingsError, match="not 64 hex digits"):
        tokens.Checker(file).identify("cg_0123456789ab_" + "x" * 43, NOW)


@given(st.text() | st.from_regex(r"cg_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_nothing_that_was_not_made_is_a_token(tmp_path_factory, told):
    file = tmp_path_factory.getbasetemp() / "given-tokens.json"
    if not file.exists():
        tokens.create(file, "ann", "admin", now_ms=NOW)
    assert tokens.Checker(file).identify(told, NOW) is None
