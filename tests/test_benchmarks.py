"""Benchmarks are run by hand, so that nothing else would notice one that does not even start."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import benchmarks
from benchmarks import gpu

OPTIONAL = {"moocore", "ray", "timm", "treelite"}


@pytest.mark.parametrize(
    "name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
)
def test_every_benchmark_can_be_imported(name: str) -> None:
    try:
        importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}, which is an extra")


def test_without_a_gpu_its_benchmark_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        gpu.main(["--out", str(tmp_path / "gpu")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("got no CUDA device")
    assert not [*tmp_path.iterdir()]


WITHOUT = """
import sys

sys.modules.update(dict.fromkeys(("fastapi", "polars", "pydantic", "scipy", "sklearn")))

if __name__ == "__main__":
    from benchmarks.gpu import main
    main(sys.argv[1:])
"""


@pytest.mark.slow
def test_the_benchmark_of_a_gpu_needs_few_packages(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(WITHOUT)
    command = [sys.executable, str(program), "--device", "cpu", "--tiny", "--out", "found"]
    command += ["--parts", "agreement", "waits", "rates", "server", "labels"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    rows = found["agreement"]["proxies"]
    assert {row["most"] for row in rows.values()} == {0.0}
    assert found["waits"]["thirteen"]["operations"] > found["waits"]["all"]["operations"] > 0
    assert min(value for key, value in found["rates"].items() if key != "seconds") > 0
    assert "polars" in found["server"]["left out"]
    assert "polars" in found["labels"]["left out"]
    assert "| proxies, nwot, median | 0 |" in (tmp_path / "found.md").read_text()


@pytest.mark.slow
def test_server_and_labels_of_the_benchmark_of_a_gpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu"
    gpu.main(["--device", "cpu", "--tiny", "--out", str(out), "--parts", "server", "labels"])
    found = json.loads(out.with_suffix(".json").read_text())
    assert found["server"]["after a killed worker"] > 0
    assert found["labels"]["seconds"] > 0
