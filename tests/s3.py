"""Real S3 servers for tests: moto's (from the lock file), and versitygw where it was built."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
USER, PASSWORD = "cartograph", "a-password-for-tests"
SERVERS = ("moto", "versitygw")


@contextlib.contextmanager
def serving(name: str, folder: Path) -> Iterator[str]:
    """Run a server with one bucket; gives the bucket's URL, and sets the environment for it."""
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    server = _moto() if name == "moto" else _versitygw(folder)
    with server as endpoint, _environment(endpoint):
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("shop")
        try:
            yield "s3://shop/checkpoints"
        finally:
            s3fs.S3FileSystem.clear_instance_cache()


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    """In a process of its own: it works hard in Python."""
    pytest.importorskip("moto", reason="moto is not installed")
    import sys

    port = _free_port()
    with _process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _versitygw(folder: Path) -> Iterator[str]:
    built = sorted((ROOT / ".cartograph" / "tools").glob("versitygw-*"))
    program = os.environ.get("VERSITYGW") or (str(built[-1]) if built else "")
    if not program and os.environ.get("REQUIRE_S3"):
        pytest.fail("VERSITYGW names no program, and REQUIRE_S3 is set")
    if not program:
        pytest.skip("no versitygw here: `make test-s3` builds one")
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    words = [program, "--access", USER, "--secret", PASSWORD, "--port", f"127.0.0.1:{port}"]
    with _process([*words, "posix", str(folder)], port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _process(words: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(port, process)
        yield
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
            return
        except urllib.error.HTTPError:  # it answers: it wants a signature
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the S3 server does not answer (exit code {process.poll()})")


@contextlib.contextmanager
def _environment(endpoint: str) -> Iterator[None]:
    told = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": USER,
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
