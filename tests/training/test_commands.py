"""The commands of training as a user runs them: files in, files and exit codes out."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from acorn.forests import Bundle
from acorn.spaces import get_space
from training.commands.main import run

pytestmark = pytest.mark.slow

SPACE = get_space("nasbench_macro")
ARCHS = SPACE.sample(60, seed=5)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def acorn(*arguments: str) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return Done(code, out.getvalue(), err.getvalue())


def write_labels(path: Path, archs: list[str]) -> Path:
    """Accuracy that grows with the width of the layers, with a second, harder target."""
    clean = [50 + 2.0 * sum(map(int, arch)) + 0.5 * arch.count("2") for arch in archs]
    pl.DataFrame(
        {
            "arch": archs,
            "cifar10.clean": clean,
            "cifar10.pgd_linf_1.0": [value / 2 for value in clean],
        }
    ).write_csv(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, few_steps: None) -> Path:
    """Features, labels and a bundle, all made by commands."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "archs.txt").write_text("\n".join(ARCHS))
    made = acorn(
        "features", "--space", "nasbench_macro", "--archs", str(folder / "archs.txt"),
        "--dataset", "cifar10", "--out", str(folder / "features.parquet"),
        "--proxies", "l2_norm,params", "--batch-size", "2", "--workers", "1", "--json",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["rows"] == 60
    assert "features: 60 of 60" in made.stderr
    write_labels(folder / "train.csv", ARCHS[:40])
    write_labels(folder / "held_out.csv", ARCHS[40:])
    trained = acorn(
        "train", "--space", "nasbench_macro", "--dataset", "cifar10",
        "--labels", str(folder / "train.csv"), "--features", str(folder / "features.parquet"),
        "--out", str(folder / "nasbench_macro-cifar10"), "--json",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert set(json.loads(trained.stdout)["scores"]) == {"clean", "pgd_linf_1.0"}
    return folder


def test_evaluation_on_rows_never_seen(folder: Path) -> None:
    bundle = str(folder / "nasbench_macro-cifar10")
    result = acorn("evaluate", bundle, "--labels", str(folder / "held_out.csv"), "--json")
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    assert scores["forest"]["name"] == "nasbench_macro-cifar10"
    for target in ("clean", "pgd_linf_1.0"):
        for rows in ("all", "by_function"):
            score = scores["targets"][target][rows]
            assert set(score) == {
                "n", "kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width"
            }  # fmt: skip
            assert score["n"] == 20
            assert score["kendall_tau"] > 0.7
    seen = acorn("evaluate", bundle, "--labels", str(folder / "train.csv"))
    assert seen.returncode == 2
    assert "saw all of them in training" in seen.stderr
    shown = acorn("evaluate", bundle, "--labels", str(folder / "held_out.csv"))
    assert shown.stdout.splitlines()[0].startswith("target\trows\tn\tkendall_tau")


def test_a_random_forest_on_proxies_alone(folder: Path) -> None:
    options = (
        "train", "--space", "nasbench_macro", "--dataset", "cifar10", "--targets", "clean",
        "--labels", str(folder / "train.csv"), "--features", str(folder / "features.parquet"),
        "--algorithm", "random_forest", "--out", str(folder / "proxies"), "--feature-set",
    )  # fmt: skip
    trained = acorn(*options, "proxies")
    assert trained.returncode == 0, trained.stderr
    bundle = Bundle.load(folder / "proxies")
    proxies = ["l2_norm", "params"]
    assert sorted(bundle.feature_names) == sorted(bundle.table.feature_names) == proxies
    assert len(bundle.table) == 60
    tried = [candidate.parameters for candidate in bundle.manifest.candidates]
    assert {parameters["algorithm"] for parameters in tried} == {"random_forest"}
    assert not {parameters["composition"] for parameters in tried} & {"smooth", "blend"}
    wrong = acorn(*options, "nonsense")
    assert wrong.returncode == 2
    assert "got feature set 'nonsense'; expected one of" in wrong.stderr


def test_python_m_training_is_acorn_train() -> None:
    command = [sys.executable, "-m", "training"]
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "--features" in helped.stdout
    missing = subprocess.run([*command, "--space", "darts"], capture_output=True, check=False)
    assert missing.returncode == 2


def test_import_table(folder: Path) -> None:
    source = folder / "other.csv"
    pl.DataFrame({"net": ARCHS[:3], "acc": [1.0, 2.0, 3.0], "note": ["a", "b", "c"]}).write_csv(
        source
    )
    out = folder / "labels.parquet"
    done = acorn(
        "import", "table", str(source), "--out", str(out),
        "--column", "arch=net", "--column", "cifar10.clean=acc", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["columns"] == ["arch", "cifar10.clean"]
    assert pl.read_parquet(out)["cifar10.clean"].to_list() == [1.0, 2.0, 3.0]


def test_fractions_are_refused_in_one_line_with_two_ways_out(folder: Path) -> None:
    source = folder / "fractions.csv"
    source.write_text("arch;cifar10.clean\n01201201;0,93\n00000000;0,61\n")
    out = folder / "fractions.parquet"
    for arguments in (
        ("train", "--space", "nasbench_macro", "--dataset", "cifar10", "--labels", str(source),
         "--features", str(folder / "features.parquet"), "--out", str(folder / "none")),
        ("import", "table", str(source), "--out", str(out)),
    ):  # fmt: skip
        refused = acorn(*arguments)
        assert refused.returncode == 2
        assert refused.stdout == ""
        (line,) = refused.stderr.splitlines()
        assert "got no label above 0.93 in column 'cifar10.clean'" in line
        assert f"multiply fractions by 100, or write percent={source} if these are" in line
    done = acorn("import", "table", f"percent={source}", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(out)["cifar10.clean"].to_list() == [0.93, 0.61]
    assert pl.read_parquet(out)["arch"].to_list() == ["01201201", "00000000"]


def test_a_dataset_in_another_spelling(folder: Path) -> None:
    out = folder / "next.txt"
    done = acorn(
        "suggest", "--space", "nasbench_macro", "--dataset", "CIFAR-10", "-n", "3",
        "--features", str(folder / "features.parquet"), "--labels", str(folder / "train.csv"),
        "--out", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().split()) == 3
    unknown = acorn(
        "features", "--space", "nasbench_macro", "--archs", "sample:1", "--dataset", "cifar1-0",
        "--out", str(folder / "other.parquet"),
    )  # fmt: skip
    assert unknown.returncode == 2
    assert "unknown dataset 'cifar1-0'" in unknown.stderr


def test_import_robustness(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.parquet"
    source = str(shared / "official_formats/robustness-data")
    done = acorn("import", "robustness", source, "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    ours = pl.read_parquet(out)
    theirs = pl.read_parquet(shared / "benchmarks/nats_tss_robust_standard_training.parquet")
    both = ours.join(theirs, on="arch", suffix=".theirs")
    assert len(both) > 1_000
    for column in ("cifar10.pgd_linf_1.0", "cifar100.fgsm_linf_1.0"):
        difference = (both[column] - both[f"{column}.theirs"]).abs()
        assert max(difference.drop_nulls()) < 1e-6, column


BAD = [
    (["features", "--space", "nats", "--archs", "all", "--dataset", "cifar10", "--out", "x"],
     "unknown space 'nats'"),
    (["features", "--space", "nats_tss", "--archs", "none", "--dataset", "cifar10", "--out", "x"],
     "expected all, sample:N or a file"),
    (["features", "--space", "nats_tss", "--archs", "sample:2", "--dataset", "mnist", "--out", "x"],
     "unknown dataset 'mnist'"),
    (["features", "--space", "nats_tss", "--archs", "sample:2", "--dataset", "cifar10",
      "--out", "x", "--proxies", "snop,snip"], "unknown proxy 'snop'"),
    (["train", "--space", "nats_tss", "--dataset", "cifar10", "--labels", "absent.csv",
      "--features", "f", "--out", "b"], "no feature table at f"),
    (["train"], "Missing option"),
    (["import", "table", "absent.csv", "--out", "x"], "no label table at absent.csv"),
    (["import", "table", "absent.csv", "--out", "x", "--column", "arch"], "expected NEW=OLD"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_exits_2_with_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = acorn(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
