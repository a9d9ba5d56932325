"""Measure searching and labelling in turn: ``python -m benchmarks.label_search --out DIR``.

A search starts without a label and asks for one at a time. Printed is the distance of the best
labelled architecture to the best one of the population, in percent, mean of several draws, after 10
to 100 labels. The searches:

- random: members at random; largest: those with most parameters first;
- prior: in the order of the prior, the ranks that Acorn gives without a label;
- evolution: regularised evolution (Real et al., AAAI 2019), population 10, tournament 5; a second
  visit of a member costs a second label, since evolution can stay among members that it knows;
- local: local search (White et al., UAI 2021): from a random member to the first of its neighbours,
  in random order, that is better; from a local optimum to another random member;
- bananas: an ensemble of five neural networks on the columns of the space (path encodings on
  ``nats_tss``), whose independent Thompson samples choose ten of the mutations of the best members
  (White et al., AAAI 2021);
- acorn: ``acorn search --label-budget``;
- forest: in the order of the released forest, which was trained on these labels: no search, but
  what remains if all labels are known.

The second table is about two objectives, clean accuracy and PGD at 1/255: the share of the
hypervolume of the true front, for members at random, NSGA-II and Acorn.

A population is all equivalence classes of a space with labels, one row each. The features of
``nats_tss`` are those of the released CIFAR-10 table: structure and thirty proxies. Those of the
other spaces are the columns of the space, parameters and multiply-accumulates.

``DIR`` keeps the result of every draw, and a rerun continues. ``--figure`` draws the regret.
"""

import argparse
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from acorn.features.feature_table import FeatureTable
from acorn.forests import Bundle
from acorn.learning.few_labels import prior_ranks
from acorn.learning.smoothing.process_inputs import standardised
from acorn.nas.objectives import Constraint, EvolutionSettings, Objectives
from acorn.spaces import Cost, Space, get_space
from benchmarks.correlations import SPACES
from benchmarks.few_labels import Population
from benchmarks.release import RELEASED
from training.nas.label_search import LabelSearch
from training.nas.pareto_search import evolve

Floats = NDArray[np.float64]
Order = Sequence[int]
"""Members in the order in which a search asks for their labels."""

SIZES = (10, 25, 40, 60, 100)
TARGETS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "nats_tss": {
        "cifar10": ("clean", "adv.pgd_linf_8", "pgd_linf_1.0", "corruption_gaussian_noise"),
        "cifar100": ("clean",),
        "ImageNet16-120": ("clean",),
    },
    "nasbench_macro": {"cifar10": ("clean",)},
    "nats_sss": {"cifar10": ("clean",), "cifar100": ("clean",)},
}
"""Targets that are searched for, by space and dataset."""

TWO = ("clean", "pgd_linf_1.0")
FRONT_SIZES = (25, 60, 100)
MEMBERS, TOURNAMENT = 10, 5
NETWORKS, MUTATED, MUTATIONS = 5, 10, 10
"""Networks of the ensemble, best members that it mutates, and mutations of each."""

PARENTS = 20
"""Population of NSGA-II."""

LEAST_DRAWN = 0.01
"""Smaller distances are drawn here, since zero has no logarithm."""


@dataclass(frozen=True)
class Task:
    """A population with the labels of some targets, all percentages."""

    space: Space
    dataset: str
    targets: Sequence[str]
    population: Population
    table: FeatureTable
    Y: Floats
    row: Mapping[str, int] = field(repr=False)

    @property
    def name(self) -> str:
        """Dataset and targets."""
        return f"{self.dataset} {' and '.join(self.targets)}"

    @property
    def y(self) -> Floats:
        """Labels of the first target."""
        labels: Floats = self.Y[:, 0]
        return labels

    def mutation(self, row: int, rng: np.random.Generator) -> int | None:
        """Mutate a member; None if the mutation has no label."""
        edited = self.space.mutate(self.population.archs[row], seed=int(rng.integers(2**31)))
        return self.row.get(self.space.parse(edited).canonical)

    def neighbours(self, row: int) -> list[int]:
        """List the neighbours that have labels."""
        near = self.space.neighbours(self.population.archs[row])
        forms = {self.space.parse(neighbour.arch).canonical for neighbour in near}
        return sorted({self.row[form] for form in forms if form in self.row} - {row})


def tasks(shared: Path, spaces: Sequence[str]) -> Iterator[Task]:
    """Read the tasks of some spaces: one for each target, and one of two targets."""
    for name in spaces:
        for dataset, targets in TARGETS[name].items():
            population = Population.read(name, shared, dataset=dataset, targets=targets, whole=True)
            table = population.table(name)
            row = {arch: place for place, arch in enumerate(population.archs)}
            groups = [(target,) for target in targets]
            for group in [*groups, TWO] if {*TWO} <= {*targets} else groups:
                Y = population.Y[:, [population.targets.index(target) for target in group]]
                yield Task(get_space(name), dataset, group, population, table, Y, row)


def acorn(task: Task, seed: int) -> Order:
    """Search with the Gaussian processes."""
    search = LabelSearch(task.table, task.space.name, task.targets, seed)

    def measure(arch: str) -> dict[str, float]:
        return dict(zip(task.targets, task.Y[task.row[arch]].tolist(), strict=True))

    search.run(measure, SIZES[-1])
    return [task.row[arch] for arch in search.labels]


def at_random(task: Task, seed: int) -> Order:
    """Label members at random."""
    order: list[int] = np.random.default_rng(seed).permutation(len(task.Y)).tolist()
    return order


def descending(scores: NDArray[np.floating], seed: int) -> Order:
    """Label the highest first; equal ones at random."""
    order: list[int] = np.lexsort(
        (np.random.default_rng(seed).random(len(scores)), -scores)
    ).tolist()
    return order


def largest(task: Task, seed: int) -> Order:
    """Label those with most parameters first."""
    population = task.population
    return descending(population.X[:, population.names.index("params")], seed)


def prior(task: Task, seed: int) -> Order:
    """Label in the order of the prior."""
    return descending(prior_ranks(task.population.X, task.population.names), seed)


def forest(task: Task, seed: int) -> Order:
    """Label in the order of the released forest, which was trained on these labels."""
    bundle = Bundle.load(RELEASED / f"{task.space.name}-{task.dataset}")
    ids = [f"{task.space.name}/{arch}" for arch in task.population.archs]
    X = bundle.table.matrix(bundle.feature_names, ids)
    return descending(bundle.predict(X, targets=[task.targets[0]])[task.targets[0]].value, seed)


def evolution(task: Task, seed: int) -> Order:
    """Regularised evolution among the members that have labels."""
    rng = np.random.default_rng(seed)
    order: list[int] = []
    alive: deque[int] = deque(maxlen=MEMBERS)
    while len(order) < SIZES[-1]:
        child: int | None = int(rng.integers(len(task.y)))
        if len(alive) == MEMBERS:
            contestants = [alive[place] for place in rng.choice(MEMBERS, TOURNAMENT, replace=False)]
            child = task.mutation(max(contestants, key=lambda row: task.y[row]), rng)
        if child is not None:
            order.append(child)
            alive.append(child)
    return order


def local(task: Task, seed: int) -> Order:
    """Local search that moves to the first better neighbour, and starts again."""
    rng = np.random.default_rng(seed)
    order: dict[int, None] = {}
    while len(order) < SIZES[-1]:
        here = int(rng.integers(len(task.y)))
        order[here] = None
        better: int | None = here
        while better is not None and len(order) < SIZES[-1]:
            here, better = better, None
            for row in rng.permutation(task.neighbours(here)).tolist():
                order[row] = None
                if task.y[row] > task.y[here]:
                    better = row
                    break
    return [*order][: SIZES[-1]]


def bananas(task: Task, seed: int) -> Order:
    """Ensembles of neural networks choose among mutations of the best members."""
    rng = np.random.default_rng(seed)
    names = task.population.names
    paths = [place for place, name in enumerate(names) if name.startswith("paths.word.")]
    own = [place for place, name in enumerate(names) if not name.startswith("graph.")]
    Z = standardised(task.population.X[:, paths or own])
    order: dict[int, None] = dict.fromkeys(rng.permutation(len(task.y))[:MEMBERS].tolist())
    while len(order) < SIZES[-1]:
        known = [*order]
        best = sorted(known, key=lambda row: -task.y[row])[:MUTATED]
        drawn = [task.mutation(row, rng) for row in best for _ in range(MUTATIONS)]
        new = sorted({row for row in drawn if row is not None} - order.keys())
        labels = task.y[known]
        scores = (labels - labels.mean()) / (labels.std() or 1.0)
        votes = np.array([_network(Z[known], scores, rng).predict(Z[new]) for _ in range(NETWORKS)])
        samples = rng.normal(votes.mean(axis=0), votes.std(axis=0)) if new else np.empty(0)
        chosen = [new[place] for place in np.argsort(-samples)[:MEMBERS]]
        order |= dict.fromkeys(chosen or [int(rng.integers(len(task.y)))])
    return [*order]


def _network(Z: Floats, scores: Floats, rng: np.random.Generator) -> MLPRegressor:
    network = MLPRegressor(
        hidden_layer_sizes=(20, 20, 20),
        solver="lbfgs",
        max_iter=100,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(Z, scores)


class Labelled:
    """An evaluator for NSGA-II that reads labels; members without labels are too large."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.space = task.space
        self.objectives = Objectives(task.targets, [Constraint("params", "<=", 1.0)])

    def cost(self, candidate: str) -> Cost:
        """No cost for a member with labels."""
        return Cost(0.0 if candidate in self._task.row else 2.0, 0.0)

    def evaluate(self, candidates: Sequence[str]) -> pl.DataFrame:
        """Look up labels."""
        rows = [self._task.row[candidate] for candidate in candidates]
        values = dict(zip(self._task.targets, self._task.Y[rows].T, strict=True))
        return pl.DataFrame({"arch": candidates, "params": 0.0, **values})


def nsga2(task: Task, seed: int) -> Order:
    """Label the members that NSGA-II evaluates."""
    settings = EvolutionSettings(PARENTS, SIZES[-1], seed)
    frame = evolve(Labelled(task), settings)  # type: ignore[arg-type] # has what it calls
    return [task.row[arch] for arch in frame["arch"]]


Search = Callable[[Task, int], Order]
SEARCHES: Mapping[str, Search] = {
    "random": at_random,
    "largest": largest,
    "prior": prior,
    "evolution": evolution,
    "local": local,
    "bananas": bananas,
    "forest": forest,
    "acorn": acorn,
}
FRONT_SEARCHES: Mapping[str, Search] = {"random": at_random, "NSGA-II": nsga2, "acorn": acorn}


def scores(task: Task, order: Order) -> list[tuple[int, float]]:
    """Regret by number of labels, or the share of the hypervolume for two targets."""
    if len(task.targets) == 1:
        regret = task.y.max() - np.maximum.accumulate(task.y[[*order][: SIZES[-1]]])
        return [(n, round(float(value), 6)) for n, value in enumerate(regret, start=1)]
    from benchmarks.fronts import FrontShare  # needs moocore

    sizes = (SIZES[0], *FRONT_SIZES)
    return [*zip(sizes, FrontShare(task.Y).along([*order], sizes), strict=True)]


def measure(task: Task, draws: int, file: Path) -> None:
    """Run every search that is not in the file, and append its scores."""
    searches = SEARCHES if len(task.targets) == 1 else FRONT_SEARCHES
    done = _read(file)
    known = set(zip(done["space"], done["task"], done["search"], done["draw"], strict=True))
    for draw in range(draws):
        for name, search in searches.items():
            if (task.space.name, task.name, name, draw) in known:
                continue
            results = scores(task, search(task, draw))
            rows = pl.DataFrame(
                [(task.space.name, task.name, name, draw, n, value) for n, value in results],
                schema=SCHEMA,
                orient="row",
            )
            with file.open("ab") as lines:
                rows.write_csv(lines, include_header=lines.tell() == 0)


SCHEMA = {
    "space": pl.String,
    "task": pl.String,
    "search": pl.String,
    "draw": pl.Int64,
    "labels": pl.Int64,
    "value": pl.Float64,
}


def _read(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, schema=SCHEMA) if file.exists() else pl.DataFrame(schema=SCHEMA)


def report(results: pl.DataFrame) -> None:
    """Print one row for each task and search."""
    shares = results["task"].str.contains(" and ")
    for part, sizes in ((results.filter(~shares), SIZES), (results.filter(shares), FRONT_SIZES)):
        head = "".join(f"{size:8d}" for size in sizes)
        print(f"{'space':15s}{'task':34s}{'search':10s}{'draws':>6s}{head}")
        for (space, task, search), rows in part.group_by(
            ["space", "task", "search"], maintain_order=True
        ):
            means = [np.mean(rows.filter(labels=size)["value"].to_numpy()) for size in sizes]
            shown = "".join(f"{mean:8.3f}" for mean in means)
            print(f"{space:15s}{task:34s}{search:10s}{rows['draw'].n_unique():6d}{shown}")
        print()


def draw_figure(results: pl.DataFrame, file: Path) -> None:
    """Draw the mean regret of each search against the number of labels."""
    import altair as alt

    rows = (
        results.filter(~pl.col("task").str.contains(" and "), pl.col("search") != "forest")
        .group_by("space", "task", "search", "labels")
        .agg(pl.col("value").mean())
        .with_columns(
            task=pl.col("space") + ": " + pl.col("task"),
            value=pl.col("value").clip(lower_bound=0.01),
        )
    )
    chart = (
        alt.Chart(rows)
        .mark_line()
        .encode(
            alt.X("labels:Q", title="labels"),
            alt.Y("value:Q", title="distance to the best, percent").scale(type="log"),
            alt.Color("search:N", sort=[*SEARCHES]),
        )
        .properties(width=260, height=150)
        .facet("task:N", columns=3)
        .resolve_scale(y="independent")
    )
    chart.save(file, ppi=90)


def main() -> None:
    """Parse options, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--spaces", nargs="*", default=SPACES)
    parser.add_argument("--out", type=Path, default=Path("build/label_search"))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "label_search.csv"
    for task in tasks(options.shared, options.spaces):
        measure(task, options.draws, file)
    results = _read(file)
    report(results)
    if options.figure:
        draw_figure(results, options.figure)


if __name__ == "__main__":
    main()
