"""``acorn doctor``: a valid installation is ok; problems are found, with advice."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from service import doctor as checks
from service.doctor import Finding
from service.http.middleware.keys import hash_line, new_key
from service.repository.model_repository import ModelRepository
from service.settings import load_settings
from service.workers import PoolLimits
from tests.service.quick_servers import quick_server
from tests.service.serve_faulty import Faulty
from tests.service.servers import Server, free_port
from tests.service.small_forest import SmallForest
from training.commands.main import run

Output = pytest.CaptureFixture[str]
KEY = new_key()


@pytest.fixture(autouse=True)
def elsewhere(small: SmallForest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACORN_FORESTS", str(small.folder))
    monkeypatch.setenv("ACORN_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("ACORN_DEVICE", "cpu")
    for name in ("ACORN_CONFIG", "ACORN_URL", "ACORN_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def only(found: Iterator[Finding]) -> Finding:
    """Check that a check found one thing, with advice exactly if it is not ok."""
    (finding,) = found
    assert bool(finding.advice) == (finding.status != "ok")
    return finding


@pytest.mark.slow
def test_a_valid_installation(small: SmallForest, tmp_path: Path, capsys: Output) -> None:
    assert run(["doctor", "--json"]) == 0
    captured = capsys.readouterr()
    said: dict[str, Any] = json.loads(captured.out)
    assert said["status"] == "ok"
    assert captured.err == ""
    found = {each["check"]: each for each in said["checks"]}
    assert {each["status"] for each in said["checks"]} == {"ok"}
    assert [*found] == [
        *("packages", "device", "files", "database", "plugins", "forests", "versions"),
        *("worker", "prediction"),
    ]  # fmt: skip
    assert "torch" in found["packages"]["message"]
    assert small.name in found["forests"]["message"]
    assert "clean" in found["prediction"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["var"]


def test_what_fails_is_said_with_what_to_do(
    small: SmallForest, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "forests").mkdir()
    bad = tmp_path / "forests" / "changed"
    shutil.copytree(small.folder / small.name, bad)
    (bad / "MODEL_CARD.md").write_text("another text")
    (tmp_path / "file").touch()
    options = ["--forests", str(bad.parent), "--var", str(tmp_path / "file" / "var")]
    url = f"http://127.0.0.1:{free_port()}"
    assert run(["doctor", *options, "--device", "cuda", "--url", url]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    rows = [line.split("\t") for line in captured.out.splitlines()]
    assert rows[0] == ["check", "status", "message", "advice"]
    failed = {check: advice for check, status, _, advice in rows if status == "error"}
    assert {*failed} == {"device", "files", "database", "forests", "server"}
    assert all(failed.values())
    assert "--var" in failed["files"]
    assert any("MODEL_CARD.md" in row[2] for row in rows)


def test_bad_settings_are_bad_usage(capsys: Output) -> None:
    assert run(["doctor", "--device", "tpu"]) == 2
    assert run(["doctor", "--forests", "/nowhere"]) == 1
    assert "/nowhere" in capsys.readouterr().out


def test_either_database(url: str) -> None:
    for _ in range(2):
        finding = only(checks.check_database(url))
        assert finding.status == "ok"
        assert "0 architectures" in finding.message


def test_a_database_that_cannot_be_used(tmp_path: Path) -> None:
    word = "unspoken"
    url = f"postgresql://acorn:{word}@127.0.0.1:{free_port()}/acorn?connect_timeout=2"
    (tmp_path / "junk.sqlite").write_bytes(b"not a database" * 100)
    for bad in (url, f"sqlite:///{tmp_path / 'junk.sqlite'}", "nonsense", "mysql://x/y"):
        finding = only(checks.check_database(bad))
        assert finding.status == "error"
        assert word not in finding.message
        assert "--database-url" in finding.advice


def test_a_worker_that_cannot_start(small: SmallForest, capsys: Output) -> None:
    settings = load_settings(starting_seconds=0.01)
    findings = {each.check: each for each in checks.examine(settings)}
    assert findings["worker"].status == "error"
    assert "did not start" in findings["worker"].message
    assert "prediction" not in findings


def test_a_worker_that_computes_something_else(small: SmallForest) -> None:
    forests = ModelRepository(small.folder)
    finding = asyncio.run(checked_by(Faulty({}), forests))  # all zero
    assert (finding.status, bool(finding.advice)) == ("warning", True)
    assert "differs by 100%" in finding.message
    broken = Faulty({"*": "raise it is broken"})
    finding = asyncio.run(checked_by(broken, forests))
    assert finding.status == "error"
    assert "it is broken" in finding.message


async def checked_by(factory: Faulty, forests: ModelRepository) -> Finding:
    pool = checks.Pool(factory, PoolLimits())
    pool.start()
    try:
        return await checks.check_worker(pool, forests)
    finally:
        await pool.stop()


def test_forests_of_another_torch(small: SmallForest, tmp_path: Path) -> None:
    bundle = tmp_path / "forests" / small.name
    shutil.copytree(small.folder / small.name, bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["libraries"] = {"torch": "1.2.3", "polars": "0.1.0"}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    finding = only(checks.check_versions(ModelRepository(bundle.parent)))
    assert finding.status == "warning"
    assert f"{small.name}@0.0.1 were made with 1.2.3" in finding.message
    assert only(checks.check_versions(ModelRepository(small.folder))).status == "ok"


def test_packages_of_other_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["polars<1.0", "acorn-nothing>=2", "timm>=99; extra == 'timm'", "rich"]
    monkeypatch.setattr(metadata, "requires", lambda _: wanted)
    findings = [*checks.check_packages()]
    assert [finding.status for finding in findings] == ["error", "error"]
    assert "polars" in findings[0].message
    assert "<1.0" in findings[0].message
    assert "acorn-nothing is not installed" in findings[1].message


@pytest.fixture(scope="module")
def server(small: SmallForest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("doctor")
    with quick_server(folder, small, api_keys=hash_line("doctor", KEY)) as server:
        yield server


@pytest.mark.slow
def test_a_running_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = only(checks.check_server(server.url))
    assert finding.status == "error"
    assert "ACORN_API_KEY" in finding.advice
    monkeypatch.setenv("ACORN_API_KEY", KEY)
    finding = only(checks.check_server(server.url))
    assert finding.status == "ok"
    assert "1 of 1 workers" in finding.message
