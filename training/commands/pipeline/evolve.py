"""``acorn evolve``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError
from acorn.progress import progress
from training.commands.shared import options
from training.commands.shared.output import number, print_json, print_table
from training.result_tables import write_text

_TASK = "SPACE/DATASET=LABELS, with commas between several label tables; may be repeated."


def evolve(
    space: Annotated[
        str | None, options.optional("Space of the networks.", default="those of --task")
    ] = None,
    dataset: Annotated[
        str | None, options.optional("Dataset of the labels.", default="those of --task")
    ] = None,
    labels: Annotated[
        list[str] | None,
        options.optional("Label tables (Parquet or CSV).", default="those of --task"),
    ] = None,
    task: Annotated[
        list[str] | None, options.optional(f"Networks to evolve on: {_TASK}", default="--space")
    ] = None,
    stop_on: Annotated[
        list[str] | None,
        options.optional(f"Networks on which evolution must improve: {_TASK}", default="none"),
    ] = None,
    choose_on: Annotated[
        list[str] | None,
        options.optional(f"Networks that order the best programs: {_TASK}", default="none"),
    ] = None,
    out: Annotated[
        Path | None, options.optional("Programs (JSON) to write.", default="none")
    ] = None,
    score: Annotated[
        Path | None,
        options.optional(
            "Programs to score, instead of evolving, on networks not used in their evolution.",
            default="none",
        ),
    ] = None,
    targets: Annotated[
        str, typer.Option(help="Comma-separated targets by which networks are ranked.")
    ] = "clean",
    networks: Annotated[
        int, typer.Option(min=1, help="Labelled networks to measure for each task.")
    ] = 200,
    held_out: Annotated[
        float,
        typer.Option(min=0, max=0.95, help="Share of the networks that is held out for scores."),
    ] = 0.5,
    population: Annotated[int, typer.Option(help="Programs of a generation on an island.")] = 50,
    generations: Annotated[int, typer.Option(help="Most generations after the first.")] = 15,
    islands: Annotated[int, typer.Option(help="Populations that evolve side by side.")] = 1,
    patience: Annotated[
        int, typer.Option(help="Generations without improvement on --stop-on, before it ends.")
    ] = 10,
    complexity: Annotated[
        float, typer.Option(help="What a node of a program costs, in tau.")
    ] = 0.001,
    widths: Annotated[
        bool,
        typer.Option(
            "--widths",
            help="Also rank cells of NAS-Bench-201 by their width, for programs that transfer to "
            "spaces of other widths.",
        ),
    ] = False,
    statistics: Annotated[
        Path | None,
        options.optional(
            "Folder of statistics of layers, one Parquet file for each space and dataset, to make "
            "or bring up to date.",
            default="beside the programs",
        ),
    ] = None,
    images: options.Images = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Number of images; 8 are used.")] = 16,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    workers: options.Workers = 0,
    as_json: options.AsJson = False,
) -> None:
    """Evolve new proxies from the statistics of the layers of untrained networks.

    Examples
    --------
    acorn evolve --space nats_tss --dataset cifar10 --labels mine.parquet --out programs.json

    acorn evolve --space nats_tss --dataset cifar10 --labels more.parquet --score programs.json

    acorn evolve --task nats_sss/cifar10=sss.parquet --task nasbench_macro/cifar10=macro.parquet
    --stop-on nats_sss/cifar100=sss.parquet --networks 500 --islands 4 --generations 60
    --out programs.json
    """
    from acorn.optional import need
    from training.proxy_evolution import experiment
    from training.proxy_evolution.task_sources import TaskReader, TaskSource

    programs = out or score
    if programs is None or (out and score):
        raise InputError("expected either --out, to evolve, or --score, to score programs")
    if out:
        need("deap", extra="evolve")
    sources = [TaskSource.parse(text) for text in task or []]
    if space is not None and dataset is not None and labels:
        sources.insert(0, TaskSource(space, dataset, labels))
    elif space is not None or dataset is not None or labels:
        raise InputError("got a part of --space, --dataset and --labels; expected all, or --task")
    if not sources:
        raise InputError("got no networks; expected --space, --dataset and --labels, or --task")
    saved = None if score is None else experiment.read_programs(score)
    reader = TaskReader(
        options.names(targets),
        networks,
        statistics or programs.with_name(f"{programs.stem}.statistics"),
        images=images,
        batch_size=batch_size,
        seed=seed,
        device=device,
        workers=workers,
        excluded=saved[1] if saved else set(),
    )
    if saved is not None:
        tasks, _ = reader.read(sources)
        scores = experiment.score_programs(saved[0], tasks)
        if as_json:
            print_json({"tasks": [each.name for each in tasks], "programs": scores})
        else:
            print_table(
                ["program", "task", "draw", "tau"],
                [[entry["text"], *row] for entry in scores for row in _rows(entry["tau"])],
            )
        return

    from training.proxy_evolution.genetic_programming import ProgramSearch
    from training.proxy_evolution.widths import width_task

    settings = ProgramSearch(population, generations, islands, patience, complexity, seed)
    evolving, scoring = reader.read(sources, held_out)
    train = sorted(reader.used)
    stop, choose = (
        reader.read([TaskSource.parse(text) for text in given or []])[0]
        for given in (stop_on, choose_on)
    )
    if widths:
        with progress("widths") as on_progress:
            task_of_widths = width_task(
                sources[0].dataset,
                batch_size=batch_size,
                device=device,
                seed=seed,
                on_progress=on_progress,
            )
        evolving.append(task_of_widths)
        stop = [*stop, task_of_widths] if stop else []
    with progress("generations") as on_progress:
        result = experiment.evolve_proxies(
            evolving,
            settings,
            stop_on=stop,
            choose_on=choose,
            score_on=scoring,
            on_progress=on_progress,
        )
    written = result | {"train": train}
    write_text(json.dumps(written, indent=1) + "\n", programs)
    if as_json:
        print_json({"out": str(out)} | result)
        return
    rows = [
        [entry["text"], number(entry["fitness"]), side, *row]
        for entry in [*result["programs"], result["simple"]]
        for side, taus in entry["tau"].items()
        for row in _rows(taus)
    ]
    print_table(["program", "fitness", "side", "task", "draw", "tau"], rows)


def _rows(taus: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, str, str]]:
    """List task, kind of draw and tau."""
    for task, kinds in taus.items():
        for kind, value in kinds.items():
            yield task, kind, number(value)
