"""A plugin in a folder of the user's own, seen by commands, worker processes and a server.

The plugin is the space of ``docs/own_space.md``; each process that imports it notes its id.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.docs.blocks import ROOT, blocks
from tests.docs.stand_ins import SMALL_FORESTS
from tests.service.servers import serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTE = """
import os

with open(os.environ["PIDS"], "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
PROGRAM = ("-m", "training.commands")


def write_plugin(folder: Path) -> None:
    page = blocks(ROOT / "docs" / "own_space.md")
    (block,) = (block for block in page if block.title == "my_spaces.py")
    (folder / block.title).write_text(block.text + NOTE)


def pids(folder: Path) -> set[str]:
    """Processes that imported the plugin."""
    path = folder / "pids"
    return {*path.read_text().split()} if path.exists() else set()


def acorn(
    folder: Path, *arguments: str, program: tuple[str, ...] = PROGRAM, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder of the plugin."""
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PIDS": str(folder / "pids")}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**os.environ, **environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin, features by two worker processes, and a forest of its space."""
    folder = tmp_path_factory.mktemp("plugin")
    write_plugin(folder)
    features = acorn(
        folder,
        *("features", "--plugin", "my_spaces", "--space", "chain", "--archs", "sample:40"),
        *("--dataset", "cifar10", "--proxies", "none", "--workers", "2", "--out", "f.parquet"),
    )
    assert features.returncode == 0, features.stderr
    assert len(pids(folder)) == 3
    archs = pl.read_parquet(folder / "f.parquet")["arch"].to_list()[:32]
    clean = [60 + sum(map(int, arch.partition("kernels=")[2].split(":"))) for arch in archs]
    pl.DataFrame({"arch": archs, "cifar10.clean": clean}).write_csv(folder / "labels.csv")
    trained = acorn(
        folder,
        *("train", "--space", "chain", "--dataset", "cifar10", "--labels", "labels.csv"),
        *("--features", "f.parquet", "--out", "forests/chain-cifar10"),
        program=("-c", SMALL_FORESTS),
        ACORN_PLUGINS="my_spaces",
    )
    assert trained.returncode == 0, trained.stderr
    return folder


def test_predict(folder: Path) -> None:
    (folder / "acorn.toml").write_text('plugins = ["my_spaces"]\n')
    options = ("predict", "--space", "chain", "--forests", "forests", "--var", "var", "--json")
    arch = '{"width": 24, "kernels": [1, 1, 5, 5]}'
    for plugin in (("--plugin", "my_spaces"), ()):  # the file names it as well
        done = acorn(folder, *options, *plugin, "--arch", arch)
        assert done.returncode == 0, done.stderr
        (prediction,) = json.loads(done.stdout)["predictions"]
        assert prediction["id"] == "chain/width=24,kernels=1:1:5:5"
    (folder / "acorn.toml").unlink()
    absent = acorn(folder, *options, "--plugin", "absent", "--arch", arch)
    assert (absent.returncode, absent.stdout) == (2, "")
    assert absent.stderr.startswith("acorn: plugin absent (ACORN_PLUGINS): cannot be imported")
    assert absent.stderr.count("\n") == 1
    unnamed = acorn(folder, *options, "--arch", arch)
    assert unnamed.returncode == 2
    assert "unknown space 'chain'" in unnamed.stderr


def test_a_server_and_its_workers(folder: Path) -> None:
    (folder / "pids").unlink()
    path = f"{ROOT}{os.pathsep}{folder}"
    environment = {"PYTHONPATH": path, "PIDS": str(folder / "pids"), "ACORN_VAR": str(folder)}
    options = ("--plugin", "my_spaces", "--workers", "2")
    with serving(folder, folder / "forests", *options, environment=environment) as server:
        server.until_ready()
        spaces = {space["name"]: space for space in server.get("/spaces").json()["spaces"]}
        assert spaces["chain"]["description"] == "A chain of four convolutions of one width."
        assert spaces["chain"]["forests"] == ["chain-cifar10"]
        assert spaces["chain"]["size"] == 243
        spec = {"space": "chain", "arch": {"width": 8, "kernels": [5, 1, 5, 1]}}
        answer = server.post("/predict", json={"architectures": [spec]})
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert prediction["arch"] == "width=8,kernels=5:1:5:1"
        assert prediction["feature_source"] == "computed"
        until(lambda: len({*map(str, server.workers())} & pids(folder)) >= 2)
        wrong = {"space": "chain", "arch": {"width": 9, "kernels": [5, 1, 5, 1]}}
        refused = server.post("/predict", json={"architectures": [wrong]})
        assert refused.status_code == 422
        assert "width: got 9; expected one of 8, 16, 24" in refused.text
        named = {"architectures": [spec], "plugins": ["os"]}
        assert server.post("/predict", json=named).status_code == 422


def test_the_doctor_lists_plugins(folder: Path) -> None:
    options = ("doctor", "--json", "--forests", "no-forests", "--var", "var")
    for plugin, status, message in (
        ("my_spaces", "ok", "chain of my_spaces (ACORN_PLUGINS)"),
        ("absent", "error", "plugin absent (ACORN_PLUGINS): cannot be imported"),
    ):
        done = acorn(folder, *options, "--plugin", plugin)
        (finding,) = (f for f in json.loads(done.stdout)["checks"] if f["check"] == "plugins")
        assert finding["status"] == status
        assert message in finding["message"]
