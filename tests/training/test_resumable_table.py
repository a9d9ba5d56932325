"""Tables that several processes add to: no row is lost, and no lock outlives its process."""

import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from pathlib import Path

import polars as pl
import pytest

from training.features.resumable_table import ResumableTable

ROOT = Path(__file__).parents[2]
SETTINGS = {"seed": 0}
ADD = """
import sys
from pathlib import Path
import polars as pl
from training.features.resumable_table import ResumableTable
table = ResumableTable(Path(sys.argv[1]), key="x", settings={"seed": 0})
for i in range(10):
    table.append(pl.DataFrame({"arch": [f"{sys.argv[2]}-{i}"]}))
"""
DIE = """
import sys
from pathlib import Path
import polars as pl
from training.features.resumable_table import ResumableTable

def wait(self):
    print("held", flush=True)
    sys.stdin.read()

ResumableTable.read = wait  # which happens under the lock
ResumableTable(Path(sys.argv[1]), key="x", settings={}).append(pl.DataFrame())
"""


def rows(path: Path) -> list[str]:
    return sorted(ResumableTable(path, key="x", settings=SETTINGS).read()["arch"].to_list())


def test_rows_of_several_processes_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD, path, name], cwd=ROOT) for name in "abc"
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert rows(path) == sorted(f"{name}-{i}" for name in "abc" for i in range(10))
    assert not [*tmp_path.glob("*.tmp")]


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    table = ResumableTable(path, key="x", settings=SETTINGS)
    with (
        subprocess.Popen(
            [sys.executable, "-c", DIE, path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as holder,
        ThreadPoolExecutor(1) as threads,
    ):
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            added = threads.submit(table.append, pl.DataFrame({"arch": ["a"]}))
            with pytest.raises(StillWaiting):
                added.result(timeout=0.5)
        finally:
            holder.kill()
        added.result(timeout=60)
    assert rows(path) == ["a"]


def test_a_table_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.parquet"
    table = ResumableTable(path, key="x", settings=SETTINGS)
    table.append(pl.DataFrame({"arch": ["a"]}))

    def full(*_args: object, **_options: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pl.DataFrame, "write_parquet", full)
        with pytest.raises(OSError, match="no space"):
            table.append(pl.DataFrame({"arch": ["b"]}))
    assert not [*tmp_path.glob("*.tmp")]
    table.append(pl.DataFrame({"arch": ["c"]}))
    assert rows(path) == ["a", "c"]


def test_no_module_needs_a_system_of_one_kind() -> None:
    ours = {"fcntl", "grp", "pwd", "resource", "termios"}
    theirs = {"msvcrt", "winreg"}
    for package in ("acorn", "training", "service"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:  # inside functions, others are caught
                names = {each.name for each in node.names} if isinstance(node, ast.Import) else ()
                module = node.module if isinstance(node, ast.ImportFrom) else None
                assert not {*names, module} & (ours | theirs), path
