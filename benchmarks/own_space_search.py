"""Measure searching by labels in a space of one's own: ``python -m benchmarks.own_space_search``.

The space is that of the notebook ``docs/notebooks/your_own_space_in_an_hour.ipynb``: inverted
residual blocks, trained for two epochs on the digits of scikit-learn. Members of a random sample
are trained once, a few seconds each, and ``--out`` keeps their accuracies. Printed is the distance
of the best labelled member to the best one of the sample, in percent, mean of several draws.
"""

import argparse
import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acorn.features.recipe import FeatureRecipe
from acorn.learning.few_labels import prior_ranks
from acorn.spaces import Space
from training.features.compute import compute_features
from training.nas.label_search import LabelSearch
from training.nas.labels_file import LabelsFile

NOTEBOOK = Path(__file__).parents[1] / "docs/notebooks/your_own_space_in_an_hour.ipynb"
CELLS = 3
"""Code cells that declare the space, sample it, and train networks."""

DATASET, CLEAN = "1x8x8-10", "clean"
SIZES = (5, 10, 15, 25, 40)

Floats = NDArray[np.float64]


def run_notebook() -> dict[str, Any]:
    """Run the first cells of the notebook, and return its variables."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    variables: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        for source in sources[:CELLS]:
            exec(source, variables)  # noqa: S102 (a file of this repository)
    return variables


def labels_of(
    space: Space, archs: Sequence[str], train: Callable[[Mapping[str, str]], float], file: Path
) -> Floats:
    """Train the members that the file lacks, and return all accuracies."""
    table = LabelsFile(file, space, DATASET, [CLEAN])
    labels = {arch: values[CLEAN] for arch, values in table.read().items() if values}
    for arch in archs:
        if arch not in labels:
            labels[arch] = train({"space": space.name, "arch": arch})
            table.add(arch, {CLEAN: labels[arch]})
    return np.array([labels[arch] for arch in archs])


def main() -> None:
    """Train, search and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=120)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("build/own_space_search"))
    options = parser.parse_args()
    notebook = run_notebook()
    space: Space = notebook["space"]
    archs = [space.parse(arch).canonical for arch in space.sample(options.members, seed=0)]
    options.out.mkdir(parents=True, exist_ok=True)
    y = labels_of(space, archs, notebook["accuracy"], options.out / "labels.csv")
    recipe = FeatureRecipe.create(DATASET, ())
    store = options.out / "features.parquet"
    table = compute_features(recipe, space.name, archs, store, workers=1)
    names = table.feature_names
    X = table.matrix(names, [f"{space.name}/{arch}" for arch in archs])
    row = {arch: place for place, arch in enumerate(archs)}

    def acorn(seed: int) -> list[int]:
        search = LabelSearch(table, space.name, [CLEAN], seed)
        search.run(lambda arch: {CLEAN: float(y[row[arch]])}, SIZES[-1])
        return [row[arch] for arch in search.labels]

    searches: dict[str, Callable[[int], Sequence[int]]] = {
        "random": lambda seed: np.random.default_rng(seed).permutation(len(y)).tolist(),
        "largest": lambda _: np.argsort(-X[:, names.index("graph.log_params")]).tolist(),
        "prior": lambda _: np.argsort(-prior_ranks(X, names)).tolist(),
        "acorn": acorn,
    }
    print(f"{len(y)} members, best {y.max():.2f}, median {np.median(y):.2f}")
    print(f"{'search':10s}" + "".join(f"{size:8d}" for size in SIZES))
    for name, search in searches.items():
        orders = [search(seed) for seed in range(options.draws)]
        regrets = [[y.max() - y[[*order[:size]]].max() for size in SIZES] for order in orders]
        print(f"{name:10s}" + "".join(f"{mean:8.3f}" for mean in np.mean(regrets, axis=0)))


if __name__ == "__main__":
    main()
