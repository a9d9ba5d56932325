"""All functions of a space, for forests on smooth labels."""

import numpy as np
import pytest

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.learning.population import Population
from acorn.spaces import get_space

SETTINGS = ProxySettings(
    dataset="cifar10", batch="none", batch_size=1, batch_digest="0" * 64, seed=0
)
SPACE = get_space("nasbench_macro")


def table(ids: list[str], **more: float) -> FeatureTable:
    rows = [FeatureRow(id_, {**SPACE.columns(id_.partition("/")[2]), **more}) for id_ in ids]
    return FeatureTable.from_rows(rows, SETTINGS)


@pytest.fixture(scope="module")
def ids() -> list[str]:
    return sorted({SPACE.parse(arch).id for arch in SPACE.sample(50, seed=0)})


def test_a_space_is_listed_with_its_columns(ids: list[str]) -> None:
    features = table(ids, synflow=3.0)
    population = Population.of("nasbench_macro", ids[:20], features)
    assert population is not None
    assert population.X.shape == (3969, len(features.feature_names))
    assert population.known.sum() == len(ids)
    assert np.array_equal(
        population.X[population.place], features.matrix(features.feature_names, ids[:20])
    )
    own = sorted(population.free_columns)
    assert np.isfinite(population.X[:, own]).all()
    assert population.covers(own)


def test_a_proxy_of_some_functions_covers_no_space(ids: list[str]) -> None:
    features = table(ids, synflow=3.0)
    population = Population.of("nasbench_macro", ids, features)
    assert population is not None
    everything = [*range(len(features.feature_names))]
    assert not population.covers(everything)
    assert not population.covers([features.feature_names.index("synflow")])


def test_no_population_without_an_end_or_without_the_columns(ids: list[str]) -> None:
    assert Population.of("darts", [], table(ids)) is None
    rows = [FeatureRow(id_, {"synflow": 1.0}) for id_ in ids]
    assert Population.of("nasbench_macro", ids, FeatureTable.from_rows(rows, SETTINGS)) is None
