"""Evaluate the outlier detector: ``python -m benchmarks.domain``.

How well the domain score separates held-out equivalence classes of a bundle's spaces from networks
of other spaces: area under the ROC curve, and the share of both that is called out of domain. The
detector is fitted on four fifths of the bundle's labelled classes and scores the other fifth. Other
spaces are DARTS and timm (tables in ``benchmarks/features``; ``--compute`` makes them, which needs
the extra ``timm``) and those of the other bundles. Features that only the bundle's space has are
missing for them, as in a request. Bundles that rank have no labelled classes, and are left out.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from acorn.datasets import get_dataset
from acorn.errors import InvalidArchitectureError
from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.forests import Bundle, OutlierDetector, bounded
from acorn.learning.feature_sets import SIZE
from acorn.learning.splits import held_out
from acorn.progress import progress
from acorn.spaces import get_space
from benchmarks.correlations import TABLES
from benchmarks.release import RELEASED, RELEASES
from training.features.compute import compute_features

STRANGE = ("darts", "timm")
NETWORKS = 30
MEGAFLOPS = 800
MOST = 500
"""Functions of another bundle's space that are judged."""


def compute() -> None:
    """Compute the features of networks of spaces without labels."""
    names = tuple(name for name in SIZE if "." not in name)
    for space in STRANGE:
        archs = [*islice(_affordable(space), NETWORKS)]
        recipe = FeatureRecipe.create("cifar10", names, batch_size=16)
        with progress(space) as on_progress:
            compute_features(
                recipe, space, archs, TABLES / f"{space}-seed0.parquet", on_progress=on_progress
            )


def _affordable(space: str) -> Iterator[str]:
    """Sample networks for images of 32 x 32 pixels that are no larger than a large cell."""
    owner, dataset = get_space(space), get_dataset("cifar10")
    for spec in owner.sample(10 * NETWORKS, seed=0):
        arch = owner.parse(spec).canonical
        try:
            if owner.cost(arch, dataset).flops <= MEGAFLOPS:
                yield arch
        except InvalidArchitectureError:
            continue


def matrix(table: FeatureTable, names: tuple[str, ...], ids: list[str]) -> NDArray[np.float32]:
    """Return the features of some architectures; values that the table lacks are missing."""
    there = [name for name in names if name in table.feature_names]
    X = np.full((len(ids), len(names)), np.nan, np.float32)
    X[:, [names.index(name) for name in there]] = table.matrix(there, ids)
    return bounded(X)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--compute", action="store_true", help="compute DARTS and timm first")
    options = parser.parse_args()
    if options.compute:
        compute()
    strange = {space: FeatureTable.read(TABLES / f"{space}-seed0.parquet") for space in STRANGE}
    releases = [each for each in RELEASES if each.labels and each.feature_set is None]
    bundles = {each.name: Bundle.load(RELEASED / each.name) for each in releases}
    print(f"{'bundle':24s} {'n':>5s} {'alarms':>6s}   other space: networks, AUROC, called unknown")
    for release in releases:
        bundle = bundles[release.name]
        labels = release.read_labels(options.shared).by_function()
        ids = [id_ for id_ in labels.ids if id_ in bundle.table]
        X = matrix(bundle.table, bundle.feature_names, ids)
        out = held_out(ids, fraction=0.2)
        domain = OutlierDetector.fit(X[~out], seed=0)
        known, own = domain.score(X[out])
        shown = []
        others = {
            each.space: bundles[each.name].table
            for each in releases
            if each.dataset == release.dataset and each.space != release.space
        }
        for space, table in {**others, **strange}.items():
            there = [id_ for id_ in table.ids if id_.startswith(f"{space}/")]
            there = list(np.random.default_rng(0).permutation(there)[:MOST])
            inside, score = domain.score(matrix(table, bundle.feature_names, there))
            truth = np.repeat([0, 1], [len(own), len(score)])
            area = roc_auc_score(truth, np.concatenate([own, score]))
            shown.append(f"{space} {len(score)}, {area:.3f}, {1 - inside.mean():.2f}")
        print(f"{release.name:24s} {len(own):5d} {1 - known.mean():6.3f}   {'; '.join(shown)}")


if __name__ == "__main__":
    main()
