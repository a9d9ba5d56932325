"""Compare ways to evaluate a released forest: ``python -m benchmarks.forest_paths``.

The same trees, all targets, one thread: scikit-learn (``n_jobs=1``), treelite's exact interpreter
(GTIL), an implementation in torch, and the packed numpy implementation of Acorn. It prints which
values agree in every bit (torch adds trees in another order, so the last bit may differ), and the
time of one prediction from the table inside the process, with attributions.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import treelite
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from acorn.forests import Bundle, Ensemble, PackedForest
from acorn.schemas.prediction import PredictRequest
from acorn.spaces import get_space
from service.prediction.cases import Case
from service.prediction.feature_path import ArchFeatures
from service.prediction.plan import parse_request
from service.prediction.responses.answers import answer
from service.repository.served_bundle import ServedBundle

Floats = NDArray[np.float64]
Predict = Callable[[NDArray[np.float32]], Floats]

ROWS = (1, 32, 1000)
RELEASED = Path("models/released/nats_tss-cifar10")
MILLISECONDS_OF_ONE = 10.0


def to_sklearn(forest: PackedForest) -> RandomForestRegressor:
    """Rebuild the scikit-learn forest of packed trees, with leaves in float32."""
    nodes, outputs = forest.nodes, forest.n_outputs
    leaf = nodes.step == 0
    dtype = DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).tree_.__getstate__()["nodes"]
    records = np.zeros(len(leaf), dtype.dtype)
    values = np.zeros((len(leaf), outputs, 1))
    values[leaf, :, 0] = forest.values[forest.code]
    made = RandomForestRegressor(n_jobs=1)
    made.estimators_, made.n_outputs_, made.n_features_in_ = [], outputs, forest.n_features
    for root, size in zip(nodes.roots, forest.sizes.astype(int), strict=True):
        own = slice(root, root + size)
        part, inner = records[own], ~leaf[own]
        here = np.arange(size)
        part["left_child"] = np.where(inner, here + 1, -1)
        part["right_child"] = np.where(inner, here + nodes.step[own], -1)
        part["feature"] = np.where(inner, nodes.feature[own], -2)
        part["threshold"] = np.where(inner, nodes.threshold[own], -2.0)
        part["missing_go_to_left"] = nodes.missing_left[own]
        part["n_node_samples"] = part["weighted_n_node_samples"] = 1
        tree = Tree(forest.n_features, np.ones(outputs, np.intp), outputs)
        tree.__setstate__(
            {
                "max_depth": 100,
                "node_count": size,
                "nodes": part.copy(),
                "values": values[own].copy(),
            }
        )
        estimator = DecisionTreeRegressor()
        estimator.tree_, estimator.n_outputs_ = tree, outputs
        estimator.n_features_in_ = forest.n_features
        made.estimators_.append(estimator)
    return made


def together(ensemble: Ensemble, each: Sequence[Predict]) -> Predict:
    """Join the means of members as the ensemble does: mean over all trees with a target."""
    width = 1 + max(target for member in ensemble.members for target in member.targets)

    def predict(X: NDArray[np.float32]) -> Floats:
        total, trees = np.zeros((len(X), width)), np.zeros(width)
        for (forest, features, targets, *_), own in zip(ensemble.members, each, strict=True):
            total[:, targets] += own(X[:, features]).reshape(len(X), -1) * forest.n_trees
            trees[targets] += forest.n_trees
        return total / trees

    return predict


def with_sklearn(forest: RandomForestRegressor) -> Predict:
    return forest.predict


def with_treelite(forest: RandomForestRegressor) -> Predict:
    model = treelite.sklearn.import_model(forest)
    return lambda X: treelite.gtil.predict(model, X, nthread=1)


def with_torch(forest: PackedForest) -> Predict:
    nodes = forest.nodes
    feature = torch.from_numpy(nodes.feature.astype(np.int64))
    threshold, step = torch.from_numpy(nodes.threshold), torch.from_numpy(nodes.step)
    missing_left, roots = torch.from_numpy(nodes.missing_left), torch.from_numpy(nodes.roots)
    values = torch.from_numpy(forest.values)
    code = torch.from_numpy(forest.code.astype(np.int64)[nodes.leaf.clip(0, len(forest.code) - 1)])

    def predict(X: NDArray[np.float32]) -> Floats:
        x = torch.from_numpy(np.ascontiguousarray(X))
        at = roots[:, None].expand(-1, len(X))
        row = torch.arange(len(X))
        while True:
            value = x[row, feature[at]]
            left = (value <= threshold[at]) | (value.isnan() & missing_left[at])
            move = torch.where(left, 1, step[at])
            if not move.any():
                return (values[code[at]].double().sum(0) / len(roots)).numpy()
            at = at + move

    return predict


def shipped(ensemble: Ensemble) -> Predict:
    targets = range(1 + max(target for member in ensemble.members for target in member.targets))
    return lambda X: ensemble.distribution(X, targets)[0]


def milliseconds(action: Callable[[], object], seconds: float) -> float:
    """Measure the minimum processor milliseconds of a call."""
    action()
    least, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end or least == np.inf:
        start = time.process_time()
        action()
        least = min(least, time.process_time() - start)
    return 1e3 * float(least)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=RELEASED)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = Bundle.load(options.bundle)
    ensemble, X = bundle.ensemble, bundle.table.matrix(bundle.feature_names)
    forests = [member.forest for member in ensemble.members]
    if any([*member.features] != [*range(X.shape[1])] for member in ensemble.members):
        raise SystemExit("got a bundle with forests that read some of its columns; expected all")
    rebuilt = [to_sklearn(forest) for forest in forests]
    members = {
        "scikit-learn": [with_sklearn(forest) for forest in rebuilt],
        "treelite GTIL": [with_treelite(forest) for forest in rebuilt],
        "torch": [with_torch(forest) for forest in forests],
    }
    ways = {name: together(ensemble, each) for name, each in members.items()}
    ways["packed numpy"] = shipped(ensemble)
    trees = sum(forest.n_trees for forest in forests)
    print(f"{bundle.name}: {trees} trees, {len(bundle.targets)} targets, {X.shape[1]} features")
    print("least processor time, milliseconds (and times the packed walk's)")
    print(f"{'rows':>14s}" + "".join(f"{rows:18d}" for rows in ROWS))
    spent = {
        name: [milliseconds(lambda: way(X[:rows]), options.seconds) for rows in ROWS]  # noqa: B023
        for name, way in ways.items()
    }
    for name, each in spent.items():
        cells = "".join(
            f"{ms:10.2f} ({ms / own:4.1f})"
            for ms, own in zip(each, spent["packed numpy"], strict=True)
        )
        same = all(
            np.array_equal(np.ravel(own(X[:200])), np.ravel(reference(X[:200])))
            for own, reference in zip(members[name], members["scikit-learn"], strict=True)
        )
        print(f"{name:>14s}{cells}  {'equal in every bit' if same else 'NOT EQUAL'}")
    one_prediction(ServedBundle(bundle, options.bundle), options.seconds)


def one_prediction(forest: ServedBundle, seconds: float) -> None:
    """Print the time of a prediction from the table, with attributions of all targets."""
    space = get_space(forest.bundle.space)
    document = {"architectures": [{"space": space.name, "arch": space.example}]}

    def predict(explain: str) -> None:
        options = {**document, "explain": explain}
        parsed = parse_request(options, PredictRequest, max_architectures=1)
        cases = [Case.of(each, forest.bundle, {}) for each in parsed.architectures.values()]
        rows = [forest.bundle.table.row(each.id) for each in cases]
        known = {row.id: ArchFeatures(row, "table") for row in rows if row is not None}
        answer(parsed.request, cases, forest, forest.targets, known)

    plain, explained = (
        milliseconds(partial(predict, explain), seconds) for explain in ("none", "path")
    )
    print(
        f"one table prediction, all targets: {plain:.2f} ms; with attributions {explained:.2f} ms "
        f"(at most {MILLISECONDS_OF_ONE:g})"
    )


if __name__ == "__main__":
    main()
