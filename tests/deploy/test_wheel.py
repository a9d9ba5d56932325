"""The wheel has all that it should, and works in a folder with packages of the same names.

The wheel is installed without its dependencies into an environment of its own, which sees the
packages of the environment that runs the tests, but not this checkout.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")
PACKAGES = ("acorn", "service", "training")
OTHERS = ("models", "service", "training", "utils")
"""Packages that a researcher's folder often has."""
CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
CLEAN = 94.32
"""Clean accuracy of that cell, as README shows it."""
PATIENCE = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that pip builds from the sources alone."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copy2(ROOT / name, folder)
    for name in (*PACKAGES, "models"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    wheels = tmp_path_factory.mktemp("wheels")
    run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(wheels), str(folder)])
    (path,) = wheels.glob("acorn_nas-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an environment's programs ``python`` and ``acorn``, the wheel installed."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    packages = Path(output([python, "-c", "import site; print(*site.getsitepackages())"]))
    # Python searches this path but reads no .pth file in it, such as that of an editable install.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    run([sys.executable, "-m", "pip", "--python", str(python), *install])
    return folder / "bin"


@pytest.fixture
def research(tmp_path: Path) -> Path:
    """A folder with packages of the same names as Acorn's folders."""
    for name in OTHERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("OWNER = 'research'\n")
    return tmp_path


def environment() -> dict[str, str]:
    """Variables of a user's shell: none of them names this checkout."""
    ours = ("PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV")
    kept = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("ACORN_")}
    return {**kept, "OMP_NUM_THREADS": "1"}


def run(command: list[str | Path], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def output(command: list[str | Path], folder: Path | None = None) -> str:
    return run(command, folder).stdout.strip()


def test_it_has_every_module_and_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    assert {f"{name}/py.typed" for name in PACKAGES} <= names
    bundles = ROOT / "models" / "released"
    released = {f"acorn/released/{path.relative_to(bundles)}" for path in files(bundles)}
    assert {name for name in names if name.startswith("acorn/released/")} == released
    for folder in ("service/http/web/static", "training/evaluation/report"):
        assert {str(path.relative_to(ROOT)) for path in files(ROOT / folder)} <= names
    assert {name.split("/")[0] for name in names} == {*PACKAGES, wheel_info(names)}


def files(folder: Path) -> Iterator[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return (path for path in paths if "__pycache__" not in path.parts)


def wheel_info(names: set[str]) -> str:
    return next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))


def test_the_library_works_beside_packages_of_the_same_names(
    programs: Path, research: Path
) -> None:
    program = f"""
import json, torch, acorn
network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(), torch.nn.Linear(8, 10),
)
proxies = acorn.compute_proxies(network, (3, 32, 32), 10, proxies=["params", "synflow"])
assert not proxies.errors, proxies.errors
predictor = acorn.load_bundle("nats_tss-cifar10")
clean = predictor.predict([{{"space": "nats_tss", "arch": {CELL!r}}}], targets=["clean"])["clean"]
import models, service, training, utils
print(json.dumps({{
    "file": acorn.__file__,
    "params": proxies.values["params"],
    "clean": float(clean.value[0]),
    "owners": [module.OWNER for module in (models, service, training, utils)],
}}))
"""
    answer = json.loads(output([programs / "python", "-c", program], research))
    assert Path(answer["file"]).is_relative_to(programs.parent)
    assert answer["params"] == pytest.approx((3 * 9 * 8 + 8 + 8 * 10 + 10) / 1e6)
    assert answer["clean"] == pytest.approx(CLEAN, abs=0.006)
    assert answer["owners"] == ["research"] * len(OTHERS)


def test_the_server_works_beside_packages_of_the_same_names(programs: Path, research: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = research / "server.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [programs / "acorn", "serve", "--port", str(port), "--var", str(research / "var")],
            cwd=research,
            env=environment(),
            stderr=stream,
        )
    try:
        until_ready(server, f"http://127.0.0.1:{port}/health/ready", log)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            known = predict(client, {"space": "nats_tss", "arch": CELL})
            assert known["targets"]["clean"]["value"] == pytest.approx(CLEAN, abs=0.006)
            assert known["feature_source"] == "table"
            assert predict(client, {"space": "graph", "arch": graph()})["feature_source"] == (
                "computed"
            )
            assert "<html" in client.get("/").text
    finally:
        server.terminate()
        code = server.wait(PATIENCE)
    assert code == 0, log.read_text()


def until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def predict(client: httpx.Client, architecture: dict[str, object]) -> dict[str, Any]:
    document = {"architectures": [architecture], "targets": ["clean"], "features": False}
    answer = client.post("/predict", json=document)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["predictions"][0])


def graph() -> dict[str, Any]:
    """A network that no table has, so that a worker process computes its features."""
    nodes = [
        {"name": "conv", "op": "conv", "inputs": ["input"], "out_channels": 12, "kernel": 3},
        {"name": "act", "op": "relu", "inputs": ["conv"]},
        {"name": "pool", "op": "global_avg_pool", "inputs": ["act"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "out", "op": "linear", "inputs": ["flat"], "out_features": "classes"},
    ]
    return {"nodes": nodes, "output": "out"}
