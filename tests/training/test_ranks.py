"""Bundles that rank without labels, from the command line."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from training.commands.main import run

SPACE = get_space("nats_sss")
ARCHS = [SPACE.parse(arch).canonical for arch in SPACE.sample(60, seed=1)]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose structure features follow the widths."""
    path = tmp_path_factory.mktemp("ranks") / "features.parquet"
    rows = [
        FeatureRow(f"nats_sss/{arch}", {"graph.log_params": float(sum(map(int, arch.split(":"))))})
        for arch in ARCHS
    ]
    settings = FeatureRecipe.create("cifar10", (), batch_size=16).settings
    path.write_bytes(FeatureTable.from_rows(rows, settings).to_bytes())
    return path


def train(features: Path, out: Path, *more: str, space: str = "nats_sss") -> int:
    arguments = ["train", "--space", space, "--dataset", "cifar10", "--out", str(out)]
    return run([*arguments, "--features", str(features), "--json", *more])


def test_a_bundle_without_labels_is_scored_by_percentiles(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "nats_sss-cifar10"
    assert train(features, bundle) == 0
    assert json.loads(capsys.readouterr().out)["scale"] == "rank"
    assert "percentiles (0 to 100)" in (bundle / "MODEL_CARD.md").read_text()
    labels = tmp_path / "labels.csv"
    accuracies = [80 + sum(map(int, arch.split(":"))) / 40 for arch in ARCHS]
    pl.DataFrame({"arch": ARCHS, "cifar10.clean": accuracies}).write_csv(labels)
    assert run(["evaluate", str(bundle), "--labels", str(labels), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["targets"]["clean"]["by_function"]
    assert scores["n"] == 60
    assert scores["kendall_tau"] > 0.99
    assert scores["mae"] < 5  # percentiles, though the accuracies are all above 80
    assert scores["coverage"] == 1


def test_a_report_of_ranks_speaks_of_percentiles(features: Path, tmp_path: Path) -> None:
    for name in ("altair", "jinja2", "vl_convert"):
        pytest.importorskip(name)
    bundle, labels, report = (tmp_path / name for name in ("b", "labels.csv", "report.html"))
    assert train(features, bundle) == 0
    clean = [93.0 + place / 100 for place in range(len(ARCHS))]
    pl.DataFrame({"arch": ARCHS, "cifar10.clean": clean}).write_csv(labels)
    assert run(["evaluate", str(bundle), "--labels", str(labels), "--report", str(report)]) == 0
    page = report.read_text("utf-8")
    charts = re.search('<script type="application/json" id="charts">(.*?)</script>', page)
    assert charts is not None
    titles = set(re.findall(r'"title": "([^"]*)"', charts[1]))
    assert {"measured (percentile)", "predicted (percentile)"} <= titles
    assert "share of the variance of the score" in titles
    assert not any("(percent)" in title or "R\\u00b2" in title for title in titles)
    assert "cross-validation" not in charts[1]
    text = re.sub("<script.*?</script>", "", page, flags=re.DOTALL)
    assert "percentiles in its population of 60 architectures" in text
    assert "Errors and widths are in percentiles" in text
    assert not re.search("drop of|Conformal|ross-validation|percent[^i]", text)


def test_what_ranks_cannot_be_made_of(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        (("--conditions", "image_size"), "nats_sss", "no labels; expected --labels"),
        (("--targets", "clean,pgd_linf_1.0"), "nats_sss", "no labels; expected --labels"),
        (("--targets", "snow"), "nats_sss", "unknown target 'snow'"),
        ((), "nats_tss", "got features of 'nats_sss/"),
    ]
    for more, space, message in cases:
        assert train(features, tmp_path / "out", *more, space=space) == 2
        assert message in capsys.readouterr().err
