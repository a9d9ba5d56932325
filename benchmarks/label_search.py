"""Measure searching and labelling in turn: ``python -m benchmarks.label_search``.

The population of each space is that of ``benchmarks.few_labels``: about 520 equivalence classes
with features and true labels. A search starts without a label and asks for one at a time. Printed
is the true value of the best labelled member after 5 to 60 labels, mean of several seeds, and
beside it that of labelling at random, and of the members with most parameters.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from benchmarks.correlations import SPACES
from benchmarks.few_labels import Population
from training.nas.label_search import LabelSearch

SIZES = (5, 10, 25, 40, 60)
SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)


def table_of(population: Population, space: str) -> FeatureTable:
    """Arrange the features of a population as a table, with numbers as architectures."""
    rows = [
        FeatureRow(f"{space}/{number}", dict(zip(population.names, map(float, row), strict=True)))
        for number, row in enumerate(population.X)
    ]
    return FeatureTable.from_rows(rows, SETTINGS)


def label(y: NDArray[np.float64], target: str, arch: str) -> dict[str, float]:
    """Look up the label of a member."""
    return {target: float(y[int(arch)])}


def best_after(labels: list[float]) -> list[float]:
    """Best of the first labels, for each number of labels."""
    return [max(labels[:size]) for size in SIZES]


def main() -> None:
    """Parse options, and print one row for each space, target and way to choose."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    print(f"{'space':15s}{'target':16s}{'choice':11s}", *(f"{size:8d}" for size in SIZES))
    for space in SPACES:
        both = Population.read(space, options.shared)
        largest = np.argsort(-both.X[:, both.names.index("params")])
        for column, target in enumerate(both.targets):
            y = both.Y[:, column]
            rows = {
                "random": np.mean(
                    [
                        best_after(np.random.default_rng(draw).permutation(y).tolist())
                        for draw in range(200)
                    ],
                    axis=0,
                ),
                "params": best_after(y[largest].tolist()),
            }
            for name, population in {"structure": both.structure(), "both": both}.items():
                table = table_of(population, space)
                found = []
                for draw in range(options.draws):
                    search = LabelSearch(table, space, [target], draw)
                    search.run(partial(label, y, target), SIZES[-1])
                    values = [each[target] for each in search.labels.values() if each is not None]
                    found.append(best_after(values))
                rows[name] = np.mean(found, axis=0)
            rows["best"] = [float(y.max())] * len(SIZES)
            for name, values in rows.items():
                shown = "".join(f"{value:9.3f}" for value in values)
                print(f"{space:15s}{target:16s}{name:11s}{shown}", flush=True)


if __name__ == "__main__":
    main()
