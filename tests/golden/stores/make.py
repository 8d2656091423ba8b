"""Make the golden stores of a layout: `python tests/golden/stores/make.py COMMIT OUT.tar.xz`.

The sample shop through the stages of the repository as it was at COMMIT, on RocksDB, with rules for
models; the input goes into the archive too. `layout-1.tar.xz` is of 6d2e46c, the last commit before
`same_as` asked what values may stand for and titles were searched for product types. For a COMMIT
before 804901e, when `streams` had no folders, run this file as of 804901e.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

SEED, NOW_MS = 5, 1_743_000_000_000
SIZES = {"products": 60, "shoppers": 40, "days": 7}
ROOT = Path(__file__).resolve().parents[3]
NOT_KEPT = ("LOG", "LOCK", "OPTIONS-", "IDENTITY")


def run(folder: Path) -> None:
    """Fill `folder` with input and stores, by the code that is imported."""
    from streams.registry import SPECS
    from streams.sample.make import Sizes, make
    from tests.in_process import InProcess
    from topology.store.rocksdb import RocksStore

    make(folder / "input", SEED, Sizes(**SIZES))
    stores = {
        name: RocksStore(folder / "stores" / name / "0", spec.all_tables)
        for name, spec in SPECS.items()
    }
    stages = InProcess(stores, NOW_MS)
    for name, form in (("catalog", "native-catalog"), ("events", "native")):
        stages.feed((folder / "input" / f"{name}.jsonl").read_bytes().splitlines(), form)
    stages.settle()
    for store in stores.values():
        store.flush()
        store.close()


def pack(folder: Path, out: Path) -> None:
    """Write stores and input to an archive, without what RocksDB makes anew."""

    def kept(found: tarfile.TarInfo) -> tarfile.TarInfo | None:
        name = Path(found.name).name
        found.mtime, found.uid, found.gid, found.uname, found.gname = 0, 0, 0, "", ""
        return None if name.startswith(NOT_KEPT) else found

    with tarfile.open(out, "w:xz") as archive:
        for name in ("input", "stores"):
            archive.add(folder / name, name, filter=kept)


def main(commit: str, out: Path) -> None:
    """Check the commit out, run it, pack what it made."""
    with tempfile.TemporaryDirectory() as folder:
        old, made = Path(folder, "old"), Path(folder, "made")
        subprocess.run(
            ["git", "worktree", "add", "--detach", str(old), commit], check=True, cwd=ROOT
        )
        try:
            shutil.copy(ROOT / "tests" / "in_process.py", old / "tests")
            shutil.copy(__file__, old / "make_golden.py")
            made.mkdir()
            command = [
                sys.executable,
                "-c",
                f"import make_golden as m; m.run(m.Path({str(made)!r}))",
            ]
            subprocess.run(command, check=True, cwd=old)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(old)], check=True, cwd=ROOT)
        pack(made, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
