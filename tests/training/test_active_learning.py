"""Which functions to label next: those whose labels lower the variance elsewhere most."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from acorn.errors import InputError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.spaces import get_space
from training.active_learning.batch_selection import NOISE, select_batch
from training.active_learning.kernel import Kernel, rank_transform
from training.active_learning.suggestions import feature_weights, suggest
from training.commands.main import run

SPACE = get_space("nats_sss")
SETTINGS = ProxySettings("cifar10", "none", 1, "0" * 64, 0)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    archs = SPACE.sample(120, seed=1)
    rows = [FeatureRow(f"nats_sss/{arch}", {**SPACE.columns(arch)}) for arch in archs]
    return FeatureTable.from_rows(rows, SETTINGS)


def test_ranks_do_not_know_scales() -> None:
    X = RNG.lognormal(size=(50, 3)).astype(np.float32)
    assert np.allclose(rank_transform(X), rank_transform(np.log(X)))
    assert np.allclose(rank_transform(X).std(axis=0), 1)
    X[:, 1] = 7.0  # says nothing
    X[3, 2] = np.nan  # in the middle
    Z = rank_transform(X)
    assert Z.shape == (50, 2)
    assert Z[3, 1] == 0
    assert rank_transform(np.full((4, 2), np.nan, np.float32)).shape == (4, 1)


@pytest.mark.parametrize("columns", [0, 2])
def test_each_choice_lowers_the_variance_most(columns: int) -> None:
    Z = rank_transform(RNG.normal(size=(80, 4)).astype(np.float32))
    kernel = Kernel.of(Z, Z[:, :columns] if columns else None)
    labelled, pool = list(range(8)), np.arange(8, 80)

    def variance(rows: list[int]) -> float:
        known = np.array(rows)
        K = kernel(known, known) + NOISE * np.eye(len(known))
        across = kernel(pool, known)
        explained = (across * np.linalg.solve(K, across.T).T).sum(axis=1)
        return float((kernel.variance(pool) - explained).sum())

    best: list[int] = []
    for _ in range(5):
        left = [row for row in pool.tolist() if row not in best]
        best.append(min(left, key=lambda row: variance([*labelled, *best, row])))
    assert select_batch(kernel, labelled, pool.tolist(), 5) == best


def test_the_prior_spreads_the_first_suggestions_over_sizes() -> None:
    Z = RNG.normal(size=(200, 6))
    kernel = Kernel.of(Z, Z[:, :1])
    rows = np.arange(200)
    assert kernel.variance(rows) == pytest.approx(np.diag(kernel(rows, rows)))
    assert kernel.variance(rows).mean() == pytest.approx(1)
    first = select_batch(kernel, [], rows.tolist(), 4)
    plain = select_batch(Kernel.of(Z), [], rows.tolist(), 4)
    assert np.abs(Z[first, 0]).mean() > np.abs(Z[plain, 0]).mean()


def test_crowds_are_not_forgotten_for_freaks() -> None:
    crowd = RNG.normal(size=(90, 3))
    kernel = Kernel.of(np.vstack([crowd, 30 * RNG.normal(size=(10, 3))]))
    chosen = select_batch(kernel, [], list(range(100)), 3)
    assert all(row < 90 for row in chosen)


def test_suggestions(table: FeatureTable) -> None:
    labelled = table.ids[:30]
    first = suggest(table, "nats_sss", 10, labelled=labelled)
    assert len(set(first)) == 10
    assert not {f"nats_sss/{arch}" for arch in first} & set(labelled)
    assert first == suggest(table, "nats_sss", 10, labelled=labelled)
    assert suggest(table, "nats_sss", 10) != first
    assert len(suggest(table, "nats_sss", 500, labelled=labelled)) == 90
    with pytest.raises(InputError, match="all of them labelled"):
        suggest(table, "nats_sss", 1, labelled=table.ids)
    with pytest.raises(InputError, match="0 architectures of nats_tss"):
        suggest(table, "nats_tss", 1)


def test_labels_say_which_features_count() -> None:
    Z = RNG.normal(size=(60, 5))
    Y = np.column_stack([Z[:, 2], Z[:, 2] + 0.1 * RNG.normal(size=60)])
    weights = feature_weights(Z, Y, seed=0)
    assert weights.mean() == pytest.approx(1)
    assert weights.argmax() == 2
    assert weights[2] > 2 * np.delete(weights, 2).max()
    Y[8:] = np.nan
    assert (feature_weights(Z, Y, seed=0) == 1).all()


def test_command(table: FeatureTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features, out = tmp_path / "f.parquet", tmp_path / "next.txt"
    table.write(features)
    archs = [id_.partition("/")[2] for id_ in table.ids[:40]]
    labels = tmp_path / "l.csv"
    pl.DataFrame({"arch": archs, "cifar10.clean": np.linspace(50, 90, 40)}).write_csv(labels)
    common = ["suggest", "--space", "nats_sss", "--dataset", "cifar10", "-n", "5"]
    files = ["--features", str(features), "--labels", str(labels)]
    assert run([*common, *files, "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["labelled"] == 40
    assert out.read_text().splitlines() == printed["archs"]
    assert not set(printed["archs"]) & set(archs)
    assert run([*common, "--out", str(out)]) == 2
    assert "expected --features or --bundle" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_bundle_was_trained_on_is_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from acorn.forests import Bundle

    path = Path(__file__).parents[2] / "models" / "released" / "nasbench_macro-cifar10"
    arguments = ["--space", "nasbench_macro", "--dataset", "cifar10", "--bundle", str(path)]
    assert run(["suggest", *arguments, "-n", "3", "--out", str(tmp_path / "o"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    seen = Bundle.load(path).training_set
    assert printed["labelled"] == len(seen)
    assert not seen.contains([f"nasbench_macro/{arch}" for arch in printed["archs"]]).any()
