"""``acorn evolve``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError
from acorn.progress import progress
from acorn.targets import find_target
from training.commands.shared import options
from training.commands.shared.output import number, print_json, print_table
from training.labels.reading import read_labels
from training.result_tables import write_text


def evolve(
    space: options.Space,
    dataset: options.Dataset,
    labels: options.LabelFiles,
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
    networks: Annotated[int, typer.Option(min=1, help="Labelled networks to measure.")] = 200,
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Share of them that is held out for scores.")
    ] = 0.5,
    population: Annotated[int, typer.Option(help="Programs of a generation.")] = 50,
    generations: Annotated[int, typer.Option(help="Generations after the first.")] = 15,
    statistics: Annotated[
        Path | None,
        options.optional(
            "Statistics of layers (Parquet) to make or bring up to date.",
            default="beside the programs",
        ),
    ] = None,
    images: options.Images = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Number of images.")] = 16,
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
    """
    from acorn.features.recipe import FeatureRecipe
    from acorn.optional import need
    from training.proxy_evolution import experiment
    from training.proxy_evolution.network_statistics import measure_networks, statistics_settings

    programs = out or score
    if programs is None or (out and score):
        raise InputError("expected either --out, to evolve, or --score, to score programs")
    if out:
        need("deap", extra="evolve")
    saved = None if score is None else experiment.read_programs(score)
    known = read_labels(labels, space=space, dataset=dataset)
    wanted = list(dict.fromkeys(find_target(t, known.targets) for t in options.names(targets)))
    if saved is not None:
        known = known.only(set(known.ids) - saved[1])
        if not len(known.frame):
            raise InputError("got no labelled network that the programs were not evolved on")
    selected = experiment.select_networks(known, networks, seed=seed)
    recipe = FeatureRecipe.create(dataset, (), images, batch_size, seed)
    with progress("statistics") as on_progress:
        measured = measure_networks(
            recipe,
            space,
            experiment.canonical_forms(selected),
            statistics or programs.with_name(f"{programs.stem}.statistics.parquet"),
            device=device,
            workers=workers,
            on_progress=on_progress,
        )
    if saved is not None:
        scores = experiment.score_programs(saved[0], selected, measured, wanted)
        if as_json:
            print_json({"networks": len(selected.ids), "programs": scores})
            return
        rows = [[entry["text"], *map(number, entry["tau"].values())] for entry in scores]
        print_table(["program", *wanted], rows)
        return

    from training.proxy_evolution.genetic_programming import ProgramSearch

    settings = ProgramSearch(population, generations, seed)
    with progress("generations") as on_progress:
        result = experiment.evolve_proxies(
            selected, measured, wanted, settings, fraction=held_out, on_progress=on_progress
        )
    written = result | {"statistics": statistics_settings(recipe, space)}
    write_text(json.dumps(written, indent=1) + "\n", programs)
    if as_json:
        print_json({"out": str(out)} | result)
        return
    rows = [
        [
            entry["text"],
            number(entry["fitness"]),
            target,
            *(number(entry["tau"][side][target]) for side in ("train", "held_out")),
        ]
        for entry in [*result["programs"], result["simple"]]
        for target in wanted
    ]
    print_table(["program", "fitness", "target", "tau, evolved on", "tau, held out"], rows)
