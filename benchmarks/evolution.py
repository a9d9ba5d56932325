"""Measure evolved proxies on tasks that they never saw: ``python -m benchmarks.evolution``.

Three experiments, each with several seeds, of which the tasks for choosing choose one:

- *space*: one space is left out. Programs evolve on CIFAR-10 of the other spaces and on real
  networks with half of the networks, stop on the other half, and are chosen on the other datasets
  of these spaces. Scored on all datasets of the space left out.
- *dataset*: programs evolve on ImageNet16-120 of one space with half of its networks (one part of
  them to evolve on, one to stop on, one to choose on), and are scored on CIFAR-10 and CIFAR-100
  with the other half: GreenMachine's setting of one space, without its datasets and networks.
- *all*: programs evolve on CIFAR-10 of all spaces, and are scored on the other datasets.

Kendall's tau is over networks drawn at random (one for each equivalence class), and over
accuracy-stratified draws, as GreenMachine does it. Beside them, the best published proxies of the
tables of ``benchmarks.correlations``, on CIFAR-10.

The statistics of 500 networks of each space and dataset are measured first, which takes about 70
minutes on one core; ``--statistics`` keeps them.
"""

import argparse
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.learning.evaluation_metrics import tau
from acorn.proxies._programs.program import Program
from acorn.spaces import get_space
from benchmarks.correlations import SPACES, path
from training.labels.reading import read_labels
from training.proxy_evolution.experiment import evolve_proxies
from training.proxy_evolution.fitness import Fitness, Task, stratified
from training.proxy_evolution.genetic_programming import ProgramSearch
from training.proxy_evolution.network_statistics import measure_networks
from training.proxy_evolution.task_sources import TaskReader, TaskSource

DATASETS = {
    "nats_tss": ("cifar10", "cifar100", "ImageNet16-120"),
    "nats_sss": ("cifar10", "cifar100", "ImageNet16-120"),
    "nasbench_macro": ("cifar10",),
}
MAIN = ("cifar10", "imagenet1k")
"""Datasets on which programs evolve."""

REAL = 76
"""Real networks: those of at most half a billion multiply-accumulates."""

SHOWN = 8
"""Published proxies in the table."""

Tasks = Mapping[tuple[str, str], Task]


def read_tasks(shared: Path, statistics: Path, networks: int, workers: int) -> Tasks:
    """Read labels and measure networks."""
    reader = TaskReader(["clean"], networks, statistics, workers=workers)
    tasks = {}
    for space in SPACES:
        labels = [str(shared / "benchmarks" / f"{space}_clean.parquet")]
        for dataset in DATASETS[space]:
            (task,), _ = reader.read([TaskSource(space, dataset, labels)])
            tasks[space, dataset] = task
    if importlib.util.find_spec("timm"):
        tasks["timm", "imagenet1k"] = real_networks(shared, statistics, workers)
    return tasks


def real_networks(shared: Path, statistics: Path, workers: int) -> Task:
    """Read real networks without pretraining: the best recipe of each, the cheapest networks."""
    table = pl.read_parquet(shared / "benchmarks" / "imagenet_timm.parquet")
    speed = pl.read_parquet(shared / "benchmarks" / "imagenet_timm_speed.parquet")
    costs = speed.group_by("arch").agg(pl.col("gmacs").min())
    rows = (
        table.filter(pl.col("pretraining") == "none")
        .group_by("arch")
        .agg(pl.col("imagenet1k.clean").max(), pl.col("image_size").min())
        .join(costs, on="arch")
        .sort("gmacs", "arch")
        .head(REAL)
    )
    space = get_space("timm")
    archs = [
        f"{space.parse(arch).canonical}@{size}"
        for arch, size in rows.select("arch", "image_size").rows()
    ]
    layers = measure_networks(
        FeatureRecipe.create("imagenet1k", (), batch_size=8),
        "timm",
        archs,
        statistics / "timm-imagenet1k.parquet",
        workers=workers,
    )
    return Task("timm/imagenet1k/clean", layers, rows["imagenet1k.clean"].to_numpy())


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


def leave_one_space_out(tasks: Tasks, settings: ProgramSearch, seeds: int) -> None:
    """Evolve without each space, and score on it."""
    for space in SPACES:
        others = {key: task for key, task in tasks.items() if key[0] != space}
        main = [task for key, task in others.items() if key[1] in MAIN]
        program = best(
            settings,
            seeds,
            tasks=[part(task, 0, 2) for task in main],
            stop_on=[part(task, 1, 2) for task in main],
            choose_on=[task for key, task in others.items() if key[1] not in MAIN] or main,
        )
        show(f"without {space}", program, [t for key, t in tasks.items() if key[0] == space])


def leave_datasets_out(tasks: Tasks, settings: ProgramSearch, seeds: int) -> None:
    """Evolve on one dataset of a space, and score on the others with other networks."""
    for space in SPACES:
        if (space, "ImageNet16-120") not in tasks:
            continue
        seen = tasks[space, "ImageNet16-120"]
        program = best(
            settings,
            seeds,
            tasks=[part(seen, 0, 6), part(seen, 2, 6)],
            stop_on=[part(seen, 4, 6)],
            choose_on=[part(seen, 0, 2)],
        )
        unseen = [part(tasks[space, dataset], 1, 2) for dataset in ("cifar10", "cifar100")]
        show(f"{space}, other datasets and networks", program, unseen)


def published(shared: Path) -> Iterator[tuple[str, list[float]]]:
    """Tau of published proxies on CIFAR-10: at random and stratified, for each space."""
    rows: dict[str, list[float]] = {}
    for space in SPACES:
        frame = FeatureTable.read(path(space)).frame
        file = str(shared / "benchmarks" / f"{space}_clean.parquet")
        labels = read_labels([file], space=space, dataset="cifar10").by_function()
        known = dict(zip(labels.ids, labels.matrix(["clean"])[:, 0], strict=True))
        archs = [arch for arch in frame["arch"] if f"{space}/{arch}" in known]
        y = np.array([known[f"{space}/{arch}"] for arch in archs])
        rng = np.random.default_rng(0)
        draws = [np.arange(len(y)), *(stratified(y, len(y) // 2, rng) for _ in range(3))]
        frame = frame.filter(frame["arch"].is_in(archs))
        for name in (column for column in frame.columns if "." not in column):
            if not frame[name].dtype.is_float():
                continue
            x = np.nan_to_num(frame[name].to_numpy())
            taus = [tau(y[rows], x[rows]) if np.ptp(x[rows]) else 0.0 for rows in draws]
            rows.setdefault(name, []).extend([taus[0], float(np.mean(taus[1:]))])
    complete = {name: taus for name, taus in rows.items() if len(taus) == 2 * len(SPACES)}
    yield from sorted(complete.items(), key=lambda row: -min(row[1][::2]))


def main() -> None:
    """Parse options, and print the experiments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--statistics", type=Path, default=Path("var/statistics"))
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--population", type=int, default=100)
    parser.add_argument("--generations", type=int, default=60)
    parser.add_argument("--islands", type=int, default=4)
    parser.add_argument("--complexity", type=float, default=0.003)
    parser.add_argument(
        "--experiments", nargs="*", default=["published", "space", "dataset", "all"]
    )
    options = parser.parse_args()
    tasks = read_tasks(options.shared, options.statistics, options.networks, options.workers)
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
    if "space" in options.experiments:
        leave_one_space_out(tasks, settings, options.seeds)
    if "dataset" in options.experiments:
        leave_datasets_out(tasks, settings, options.seeds)
    if "all" in options.experiments:
        sides: dict[str, Any] = {
            "tasks": [task for key, task in tasks.items() if key[1] in MAIN],
            "stop_on": [task for key, task in tasks.items() if key[1] == "ImageNet16-120"],
            "choose_on": [task for key, task in tasks.items() if key[1] == "cifar100"],
        }
        program = best(settings, options.seeds, **sides)
        show("all spaces", program, [*tasks.values()])


if __name__ == "__main__":
    main()
