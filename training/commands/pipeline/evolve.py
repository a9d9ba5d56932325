"""``acorn evolve``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError
from acorn.targets import find_target
from training.commands.shared import options
from training.commands.shared.output import number, print_json, print_table
from training.commands.shared.progress import progress
from training.labels.reading import read_labels


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
            "Programs to score on networks that they were not evolved on, instead of evolving.",
            default="none",
        ),
    ] = None,
    targets: Annotated[
        str, typer.Option(help="Targets to rank networks by, with commas between.")
    ] = "clean",
    networks: Annotated[int, typer.Option(min=1, help="Labelled networks to measure.")] = 200,
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Share of them that programs are scored on.")
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
    document = None if score is None else experiment.read_programs(score)
    known = read_labels(labels, space=space, dataset=dataset)
    wanted = list(dict.fromkeys(find_target(t, known.targets) for t in options.names(targets)))
    if document is not None:
        known = known.only(set(known.ids) - document["train"])
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
    if document is not None:
        scores = experiment.score_programs(document, selected, measured, wanted)
        if as_json:
            print_json({"networks": len(selected.ids), "programs": scores})
            return
        rows = [[entry["text"], *map(number, entry["tau"].values())] for entry in scores]
        print_table(["program", *wanted], rows)
        return

    from training.proxy_evolution.genetic_programming import ProgramSearch, evolve_programs

    settings = ProgramSearch(population, generations, seed)
    with progress("generations") as on_generation:
        result = experiment.evolve_proxies(
            selected,
            measured,
            wanted,
            lambda fitness: evolve_programs(fitness, settings, on_progress=on_generation),
            fraction=held_out,
            seed=seed,
        )
    written = result | {"statistics": statistics_settings(recipe, space)}
    programs.parent.mkdir(parents=True, exist_ok=True)
    programs.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
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
