"""The whole way on published labels: a small forest on the columns of cells alone."""

from pathlib import Path

import numpy as np
import pytest

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import Bundle
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out
from acorn.learning.train import train_bundle
from acorn.spaces import get_space
from training.evaluation.evaluate import evaluate
from training.labels.reading import read_labels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = ProxySettings(
    dataset="cifar10", batch="none", batch_size=1, batch_digest="0" * 64, seed=0
)
TARGETS = ["clean", "pgd_linf_1"]
FUNCTIONS = 1100


@pytest.fixture(scope="module")
def parts(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Labels]:
    folder = shared / "benchmarks"
    names = ("nats_tss_clean.parquet", "nats_tss_robust_standard_training.parquet")
    labels = read_labels(
        [str(folder / name) for name in names], space="nats_tss", dataset="cifar10"
    )
    labels = labels.only(set(sorted(set(labels.ids))[:: len(set(labels.ids)) // FUNCTIONS]))
    space = get_space("nats_tss")
    ids = sorted(set(labels.ids))
    rows = [FeatureRow(id_, space.columns(id_.partition("/")[2])) for id_ in ids]
    table = FeatureTable.from_rows(rows, SETTINGS)
    out = {id_ for id_, is_out in zip(ids, held_out(ids, fraction=0.6), strict=True) if is_out}
    bundle = train_bundle(
        labels.only(set(ids) - out),
        table,
        tmp_path_factory.mktemp("published") / "nats_tss-cifar10",
        targets=TARGETS,
        feature_set="structure",
        configuration=Configuration(trees=20),
        n_jobs=1,
    )
    return bundle, labels.only(out)


def test_new_functions_are_ranked(parts: tuple[Bundle, Labels]) -> None:
    found = evaluate(*parts).result["targets"]
    assert found["clean"]["by_function"]["kendall_tau"] > 0.85
    assert found["pgd_linf_1.0"]["by_function"]["kendall_tau"] > 0.66
    assert found["clean"]["by_function"]["mae"] < 0.8


@pytest.mark.parametrize("target", TARGETS)
def test_intervals_cover_low_middle_and_high_values(
    parts: tuple[Bundle, Labels], target: str
) -> None:
    bundle, new = parts
    once = new.by_function()
    X = bundle.table.matrix(bundle.feature_names, once.ids)
    value, lower, upper = bundle.predict(X, targets=[target], interval=0.9)[target]
    label = once.matrix([bundle.target(target)])[:, 0]
    covered = (lower <= label) & (label <= upper)
    assert covered.mean() == pytest.approx(0.9, abs=0.05)
    for third in np.array_split(np.argsort(value), 3):
        assert covered[third].mean() == pytest.approx(0.9, abs=0.1)


def test_new_functions_are_in_the_domain(parts: tuple[Bundle, Labels]) -> None:
    bundle, new = parts
    X = bundle.table.matrix(bundle.feature_names, sorted(set(new.ids)))
    assert bundle.outliers(X)[0].mean() > 0.9
