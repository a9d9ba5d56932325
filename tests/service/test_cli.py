"""The command line: results on stdout, one clear line on stderr, exit codes as promised."""

import io
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from acorn.schemas.prediction import PredictResponse
from tests.service.servers import ROOT
from tests.service.small_forest import SmallForest
from tests.spaces.onnx_files import CONVOLUTIONS
from training.commands.main import run


@pytest.fixture(autouse=True)
def elsewhere(small: SmallForest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACORN_FORESTS", str(small.folder))
    monkeypatch.setenv("ACORN_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("ACORN_CONFIG", raising=False)


Output = pytest.CaptureFixture[str]


def predict(*options: str) -> int:
    return run(["predict", "--space", "nats_tss", *options])


def one_line(output: Output) -> str:
    """Check that a failure printed nothing but one line on stderr, and return it."""
    captured = output.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("acorn: ")
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    return captured.err


def test_json_is_all_that_is_on_stdout(small: SmallForest, capsys: Output) -> None:
    assert predict("--arch", small.known[0], "--arch", small.known[1], "--json") == 0
    captured = capsys.readouterr()
    answer = PredictResponse.model_validate_json(captured.out)
    assert [each.id for each in answer.predictions] == [small.id(c) for c in small.known[:2]]
    assert answer.predictions[0].feature_source == "table"
    assert captured.err == ""


def test_an_unknown_cell_is_computed_and_then_cached(small: SmallForest, capsys: Output) -> None:
    sources = []
    for _ in range(2):
        assert predict("--arch", small.unknown[0], "--json", "--device", "cpu") == 0
        (prediction,) = json.loads(capsys.readouterr().out)["predictions"]
        sources.append(prediction["feature_source"])
    assert sources == ["computed", "cache"]
    assert prediction["features"] == pytest.approx(small.compute(small.unknown[0]))


def test_architectures_from_standard_input(
    small: SmallForest, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*small.known[:3], "", ""])))
    assert predict("--arch", "-", "--targets", "clean", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [each["id"] for each in answer["predictions"]] == [small.id(c) for c in small.known[:3]]
    assert list(answer["predictions"][0]["targets"]) == ["clean"]


def test_plain_lines_where_there_is_no_terminal(small: SmallForest, capsys: Output) -> None:
    assert predict("--arch", small.known[0], "--explain", "path", "--targets", "clean") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["architecture", "target", "value", "lower"]
    assert lines[1][1] == "clean"
    assert 0 < float(lines[1][2]) < 100
    heads = [
        ["architecture", "target", kind, "contribution"]
        for kind in ("group of features", "feature")
    ]
    starts = [place for place, line in enumerate(lines) if line[0] == "architecture"]
    assert [lines[place] for place in starts[1:3]] == heads
    nearest = lines[starts[3] + 1 : starts[3] + 4]
    assert lines[starts[3]][1] == "nearest architecture"
    assert {line[1] for line in nearest} < {small.canonical(cell) for cell in small.known}
    assert small.canonical(small.known[0]) not in {line[1] for line in nearest}
    assert lines[-1][0].startswith("Single edits: ")


NETWORKS = """
from torch import nn

network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(3600, 10))

def make():
    return network

def fail():
    raise RuntimeError("no weights")
"""


def test_a_network_in_python_is_exported(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_networks.py").write_text(NETWORKS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    export = ["export", "--input-shape", "3,32,32", "--out", "net.json"]
    for name in ("make", "network"):
        assert run([*export, f"my_networks:{name}", "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result == {"out": "net.json", "nodes": 3, "params": 36122}
        spec = json.loads((tmp_path / "net.json").read_text())
        assert spec["space"] == "graph"
        assert run(["predict", "--spec", "net.json"]) == 2
        assert "/architectures/0/space: no forest for graph" in one_line(capsys)
    for factory, what in (
        ("my_networks", "expected PACKAGE.MODULE:FACTORY"),
        ("my_networks:fail", "RuntimeError: no weights"),
        ("my_networks:absent", "AttributeError"),
        ("no_such_module:make", "ModuleNotFoundError"),
        ("my_networks:NETWORKS", "cannot be made"),
    ):
        assert run([*export, factory]) == 2
        assert what in one_line(capsys)
    assert run(["export", "my_networks:make", "--input-shape", "3,x", "--out", "net.json"]) == 2
    assert "expected 3,HEIGHT,WIDTH" in one_line(capsys)


def test_files_are_predicted(small: SmallForest, capsys: Output, tmp_path: Path) -> None:
    spec = {"space": "nats_tss", "arch": small.known[0]}
    (tmp_path / "cell.json").write_text(json.dumps(spec))
    assert run(["predict", "--spec", "cell.json", "--json"]) == 0
    answer = PredictResponse.model_validate_json(capsys.readouterr().out)
    assert [each.id for each in answer.predictions] == [small.id(small.known[0])]
    (tmp_path / "net.onnx").write_bytes(CONVOLUTIONS)
    assert run(["predict", "--onnx", "net.onnx"]) == 2
    assert "no forest for graph" in one_line(capsys)
    (tmp_path / "bad.json").write_text("{")
    for options, what in (
        (["--spec", "bad.json"], "bad.json, which"),
        (["--spec", "absent.json"], "absent.json"),
        (["--onnx", "bad.json"], "expected an ONNX file"),
        (["--spec", "cell.json", "--space", "nats_tss"], "Missing option --arch"),
    ):
        assert run(["predict", *options]) in (1, 2)
        assert what in one_line(capsys)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["predict"], "Missing option"),
        (["predict", "--space", "nats_tss"], "Missing option"),
        (["predict", "--space", "nats_tss", "--arch", "x", "--bogus"], "No such option"),
        (["predict", "--space", "nats_tss", "--arch", "x", "--interval", "wide"], "interval"),
        (["nonsense"], "nonsense"),
        (["serve", "--port", "eighty"], "port"),
        (["serve", "--port", "70000"], "port"),
        (["serve", "--device", "tpu"], "device"),
        (["serve", "--forests", "/nowhere"], "/nowhere"),
        (["serve", "--database-url", "nonsense"], "database"),
        (["--config", "/nowhere.toml", "forests", "list"], "/nowhere.toml"),
        (["forests", "show", "nothing"], "nothing"),
        (["forests", "verify", "nothing"], "nothing"),
    ],
)
def test_bad_usage_is_one_line_and_2(options: list[str], what: str, capsys: Output) -> None:
    assert run(options) == 2
    assert what in one_line(capsys)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--arch", "|oops|"], "/architectures/0/arch"),
        (["--arch", "|oops|", "--arch", "x"], "and 1 more"),
        (["--arch", "{"], "JSON"),
        (["--arch", ""], "no architecture"),
        (["--arch", "KNOWN", "--targets", "nothing"], "/targets/0"),
        (["--arch", "KNOWN", "--dataset", "mnist"], "/dataset"),
        (["--arch", "KNOWN", "--interval", "1.5"], "/interval"),
        (["--arch", "KNOWN", "--explain", "lime"], "/explain"),
        (["--arch", "KNOWN", "--space", "none_such"], "/architectures/0/space"),
    ],
)
def test_bad_input_is_one_line_and_2(
    options: list[str], what: str, small: SmallForest, capsys: Output
) -> None:
    assert predict(*(small.known[0] if word == "KNOWN" else word for word in options)) == 2
    assert what in one_line(capsys)


def test_the_configuration_file_and_the_environment_set_options(
    small: SmallForest, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acorn.toml").write_text('targets = "clean"\n[predict]\ninterval = 0.5\n')
    assert predict("--arch", small.known[0], "--json") == 0
    narrow = json.loads(capsys.readouterr().out)["predictions"][0]["targets"]
    assert list(narrow) == ["clean"]
    monkeypatch.setenv("ACORN_INTERVAL", "0.95")
    assert predict("--arch", small.known[0], "--json") == 0
    wide = json.loads(capsys.readouterr().out)["predictions"][0]["targets"]
    width = [each["clean"]["upper"] - each["clean"]["lower"] for each in (narrow, wide)]
    assert width[0] < width[1]


def test_forests_are_listed_shown_and_verified(small: SmallForest, capsys: Output) -> None:
    assert run(["forests", "list", "--json"]) == 0
    listing = json.loads(capsys.readouterr().out)
    assert [forest["name"] for forest in listing["forests"]] == [small.name]
    assert run(["forests", "show", small.name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["feature_names"] == list(small.features)
    assert run(["forests", "show", str(small.folder / small.name)]) == 0
    assert "nats_tss" in capsys.readouterr().out
    assert run(["forests", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {small.name: {"status": "ok", "reason": ""}}


def test_a_bundle_that_was_changed_does_not_verify(
    small: SmallForest, tmp_path: Path, capsys: Output
) -> None:
    changed = tmp_path / "forests" / small.name
    changed.mkdir(parents=True)
    for file in (small.folder / small.name).iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "MODEL_CARD.md").write_text("another text")
    assert run(["forests", "verify", str(changed)]) == 1
    assert "MODEL_CARD.md" in capsys.readouterr().out
    assert run(["forests", "list", "--forests", str(changed.parent)]) == 0
    assert "\terror: " in capsys.readouterr().out
    assert run(["forests", "show", str(changed)]) == 1
    assert "MODEL_CARD.md" in one_line(capsys)


def test_help_gives_examples_and_variables(capsys: Output) -> None:
    for command in ("serve", "predict"):
        assert run([command, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"acorn {command} --" in text
        assert "ACORN_DEVICE" in text
        assert "Default: " in text


@pytest.mark.slow
def test_the_program_exits_as_its_commands_do(small: SmallForest) -> None:
    command = [
        sys.executable,
        "-m",
        "training.commands",
        "predict",
        "--space",
        "nats_tss",
        "--arch",
        "x",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("acorn: /architectures/0/arch: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_port_in_use_is_a_failure(small: SmallForest, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "training.commands", "serve", "--port", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "address already in use" in done.stderr


def test_a_server_without_its_packages_names_the_extra(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve"]) == 2
    assert "acorn-nas[serve]" in one_line(capsys)


@pytest.mark.slow
def test_commands_work_without_the_packages_of_the_server(small: SmallForest) -> None:
    code = (
        "import sys\n"
        "for name in ('fastapi', 'limits', 'prometheus_client', 'psycopg', 'pythonjsonlogger',"
        " 'sse_starlette', 'starlette', 'uvicorn'):\n"
        "    sys.modules[name] = None\n"
        "from training.commands.main import run\n"
        f"predict = ['predict', '--space', 'nats_tss', '--arch', {small.known[0]!r}, '--json']\n"
        "sys.exit(run(['forests', 'list']) or run(['keys', 'new', 'x']) or run(predict))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
