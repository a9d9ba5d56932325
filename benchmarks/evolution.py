"""Measure evolved proxies on tasks that they never saw: ``python -m benchmarks.evolution``.

Experiments, the first three with several seeds, of which the tasks for choosing choose one:

- *space*: one space is left out. Programs evolve on CIFAR-10 of the other spaces with half of the
  networks, and on cells of several widths; they stop on the other half, and are chosen on the other
  datasets of these spaces. Scored on all datasets of the space left out.
- *dataset*: programs evolve on one dataset of one space with a third of its networks, stop on the
  second third, and are scored on all datasets with the last third. On ImageNet16-120, CIFAR-10 and
  CIFAR-100 are unseen tasks; on CIFAR-10 only the networks are.
- *all*: programs evolve on CIFAR-10 of all spaces, and are scored on the other datasets.
- *shipped*: the ``evolved_*`` proxies of the engine, on ``--scored`` networks of each dataset.
- *prior*: ranks without a label of the populations of ``benchmarks.few_labels``, by structure and
  some proxies, with the program that *space* found without the space in place of
  ``evolved_channel_rank``.

Kendall's tau is over networks drawn at random (one for each equivalence class), over
accuracy-stratified draws, as GreenMachine does it, and within groups of networks of about the same
size. Beside them, the best published proxies of the tables of ``benchmarks.correlations``.

The statistics are measured first, about a second for each network and dataset on one core;
``--statistics`` keeps them, and ``--features`` the values of the shipped proxies.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.learning.evaluation_metrics import tau
from acorn.learning.few_labels import prior_ranks
from acorn.proxies import list_proxies
from acorn.proxies._programs.program import Program
from benchmarks.correlations import SPACES, path
from benchmarks.few_labels import Population
from training.features.compute import compute_features
from training.labels.reading import read_labels
from training.proxy_evolution.experiment import canonical_forms, evolve_proxies, select_networks
from training.proxy_evolution.fitness import Fitness, Floats, Task, stratified
from training.proxy_evolution.genetic_programming import ProgramSearch
from training.proxy_evolution.network_statistics import measure_networks
from training.proxy_evolution.task_sources import TaskReader, TaskSource
from training.proxy_evolution.widths import width_task

DATASETS = {
    "nats_tss": ("cifar10", "cifar100", "ImageNet16-120"),
    "nats_sss": ("cifar10", "cifar100", "ImageNet16-120"),
    "nasbench_macro": ("cifar10",),
}
MAIN = "cifar10"
"""Dataset on which programs evolve."""

EXPERIMENTS = ("published", "shipped", "prior", "space", "dataset", "all")
CLEAN = "clean"

SHOWN = 8
"""Published proxies in the table."""

Tasks = Mapping[tuple[str, str], Task]

STAND_IN = "evolved_channel_rank"
LEFT_OUT = {
    "nats_tss": [
        "reduce.mean",
        ["layers.sqrt", ["layers.add", "noise.output.channel_rank", "data.input.channel_rank"]],
    ],
    "nats_sss": [
        "reduce.mean",
        ["layers.subtract", ["layers.sqrt", "noise.input.channel_rank"], "data.weight_gradient.l1"],
    ],
    "nasbench_macro": [
        "reduce.sum", ["layers.add", "noise.output.channel_rank", "data.output.channel_rank"]
    ],
}  # fmt: skip
"""Programs that evolved without a space, as in ``docs/results.md``."""

PRIORS = ((), ("near", "nwot", "meco_opt"), (STAND_IN,), ("near", "nwot", "meco_opt", STAND_IN))
"""Proxies beside structure."""


def read_tasks(options: argparse.Namespace) -> Tasks:
    """Read labels and measure networks."""
    reader = TaskReader([CLEAN], options.networks, options.statistics, workers=options.workers)
    tasks = {}
    for space in SPACES:
        labels = [str(options.shared / "benchmarks" / f"{space}_clean.parquet")]
        for dataset in DATASETS[space]:
            if dataset not in options.datasets:
                continue
            (task,), _ = reader.read([TaskSource(space, dataset, labels)])
            tasks[space, dataset] = task
    return tasks


def part(task: Task, number: int, parts: int) -> Task:
    """One of several equal parts of a task's networks."""
    rows = np.arange(len(task.labels)) % parts == number
    return replace(task, labels=np.where(rows, task.labels, np.nan))


def best(settings: ProgramSearch, seeds: int, **sides: Sequence[Task]) -> Program:
    """Evolve with several seeds, and take the program that is best on the tasks for choosing."""
    choose = Fitness.of(sides["choose_on"])
    found = []
    for seed in range(seeds):
        result = evolve_proxies(
            sides["tasks"],
            replace(settings, seed=seed),
            stop_on=sides["stop_on"],
            choose_on=sides["choose_on"],
        )
        program = Program.parse(json.loads(json.dumps(result["programs"][0]["program"])))
        found.append((choose(program) - settings.complexity * len(program), program))
        print(f"  seed {seed}: {found[-1][0]:.3f}  {program}", flush=True)
    return max(found, key=lambda pair: pair[0])[1]


def show(title: str, program: Program, tasks: Sequence[Task]) -> None:
    """Print a program and its taus."""
    print(f"{title}: {program}")
    for (name, kind), value in Fitness.of(tasks).taus(program).items():
        print(f"    {name:32s}{kind:12s}{value:7.3f}", flush=True)


def leave_one_space_out(tasks: Tasks, widths: Task, settings: ProgramSearch, seeds: int) -> None:
    """Evolve without each space, and score on it."""
    for space in SPACES:
        others = {key: task for key, task in tasks.items() if key[0] != space}
        main = [task for key, task in others.items() if key[1] == MAIN]
        program = best(
            settings,
            seeds,
            tasks=[widths, *(part(task, 0, 2) for task in main)],
            stop_on=[widths, *(part(task, 1, 2) for task in main)],
            choose_on=[task for key, task in others.items() if key[1] != MAIN],
        )
        show(f"without {space}", program, [t for key, t in tasks.items() if key[0] == space])


def leave_datasets_out(tasks: Tasks, settings: ProgramSearch, seeds: int) -> None:
    """Evolve on one dataset of a space, and score on all with other networks."""
    for space in SPACES:
        for dataset in (MAIN, "ImageNet16-120"):
            if (space, dataset) not in tasks:
                continue
            seen = tasks[space, dataset]
            stop = [part(seen, 1, 3)]
            program = best(settings, seeds, tasks=[part(seen, 0, 3)], stop_on=stop, choose_on=stop)
            unseen = [part(task, 2, 3) for key, task in tasks.items() if key[0] == space]
            show(f"{space}, evolved on {dataset}", program, unseen)


def score_shipped(shared: Path, features: Path, networks: int, workers: int) -> None:
    """Print the taus of the evolved proxies of the engine."""
    names = list_proxies("evolved_*")
    features.mkdir(parents=True, exist_ok=True)
    print(f"{'proxy':24s}{'task':32s}{'random':>8s}{'stratified':>12s}")
    for space in SPACES:
        file = str(shared / "benchmarks" / f"{space}_clean.parquet")
        for dataset in DATASETS[space]:
            labels = read_labels([file], space=space, dataset=dataset)
            chosen = select_networks(labels, networks, seed=1)
            table = compute_features(
                FeatureRecipe.create(dataset, names, batch_size=16),
                space,
                canonical_forms(chosen),
                features / f"{space}-{dataset}.parquet",
                workers=workers,
            )
            X = table.matrix(names, chosen.ids)
            y = chosen.matrix([CLEAN])[:, 0]
            for name, column in zip(names, X.T.astype(float), strict=True):
                taus = "".join(f"{value:10.3f}" for value in random_and_stratified(y, column))
                print(f"{name:24s}{space + '/' + dataset:32s}{taus}", flush=True)


def random_and_stratified(y: Floats, x: Floats) -> tuple[float, float]:
    """Tau over all networks, and the mean over three accuracy-stratified draws of half of them."""
    rng = np.random.default_rng(0)
    draws = [stratified(y, len(y) // 2, rng) for _ in range(3)]
    taus = [tau(y[rows], x[rows]) if np.ptp(x[rows]) else 0.0 for rows in draws]
    return tau(y, x) if np.ptp(x) else 0.0, float(np.mean(taus))


def score_prior(options: argparse.Namespace) -> None:
    """Print the tau of ranks without a label, with programs that evolved without the space."""
    print(f"{'proxies beside structure':50s}" + "".join(f"{space:>16s}" for space in SPACES))
    parts: dict[str, tuple[Population, Floats]] = {}
    for space in SPACES:
        population = Population.read(space, options.shared, targets=[CLEAN])
        layers = measure_networks(
            FeatureRecipe.create(MAIN, (), batch_size=16),
            space,
            population.archs,
            options.statistics / f"{space}-{MAIN}.parquet",
            workers=options.workers,
        )
        X = population.X.copy()
        values = Program.parse(LEFT_OUT[space])(layers)
        X[:, population.names.index(STAND_IN)] = values
        parts[space] = replace(population, X=X), population.Y[:, 0]
    for proxies in PRIORS:
        taus = []
        for population, y in parts.values():
            part = population.with_proxies(proxies)
            taus.append(tau(y, prior_ranks(part.X, part.names)))
        name = ", ".join(proxies) or "structure alone"
        print(f"{name:50s}" + "".join(f"{value:16.3f}" for value in taus))


def published(shared: Path) -> Iterator[tuple[str, list[float]]]:
    """Tau of published proxies on CIFAR-10: at random and stratified, for each space."""
    rows: dict[str, list[float]] = {}
    for space in SPACES:
        frame = FeatureTable.read(path(space)).frame
        file = str(shared / "benchmarks" / f"{space}_clean.parquet")
        labels = read_labels([file], space=space, dataset="cifar10").by_function()
        known = dict(zip(labels.ids, labels.matrix([CLEAN])[:, 0], strict=True))
        archs = [arch for arch in frame["arch"] if f"{space}/{arch}" in known]
        y = np.array([known[f"{space}/{arch}"] for arch in archs])
        frame = frame.filter(frame["arch"].is_in(archs))
        evolved = list_proxies("evolved_*")
        for name in (column for column in frame.columns if "." not in column):
            if name in evolved or not frame[name].dtype.is_float():
                continue
            x = np.nan_to_num(frame[name].to_numpy())
            rows.setdefault(name, []).extend(random_and_stratified(y, x))
    complete = {name: taus for name, taus in rows.items() if len(taus) == 2 * len(SPACES)}
    yield from sorted(complete.items(), key=lambda row: -min(row[1][::2]))


def main() -> None:
    """Parse options, and print the experiments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--statistics", type=Path, default=Path("var/statistics"))
    parser.add_argument("--features", type=Path, default=Path("var/evolved"))
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--datasets", nargs="*", default=DATASETS["nats_tss"])
    parser.add_argument("--scored", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--generations", type=int, default=60)
    parser.add_argument("--islands", type=int, default=4)
    parser.add_argument("--complexity", type=float, default=0.003)
    parser.add_argument("--experiments", nargs="*", default=EXPERIMENTS)
    options = parser.parse_args()
    settings = ProgramSearch(
        options.population,
        options.generations,
        options.islands,
        patience=15,
        complexity=options.complexity,
    )
    if "published" in options.experiments:
        print(f"{'published proxy':18s}", *(f"{space:>22s}" for space in SPACES))
        for name, taus in [*published(options.shared)][:SHOWN]:
            print(f"{name:18s}", *(f"{value:11.3f}" for value in taus), flush=True)
    if "shipped" in options.experiments:
        score_shipped(options.shared, options.features, options.scored, options.workers)
    if "prior" in options.experiments:
        score_prior(options)
    if not {"space", "dataset", "all"} & {*options.experiments}:
        return
    tasks = read_tasks(options)
    widths = width_task()
    if "space" in options.experiments:
        leave_one_space_out(tasks, widths, settings, options.seeds)
    if "dataset" in options.experiments:
        leave_datasets_out(tasks, settings, options.seeds)
    if "all" in options.experiments:
        sides: dict[str, Any] = {
            "tasks": [widths, *(task for key, task in tasks.items() if key[1] == MAIN)],
            "stop_on": [task for key, task in tasks.items() if key[1] == "ImageNet16-120"],
            "choose_on": [task for key, task in tasks.items() if key[1] != MAIN],
        }
        program = best(settings, options.seeds, **sides)
        show("all spaces", program, [*tasks.values()])


if __name__ == "__main__":
    main()
