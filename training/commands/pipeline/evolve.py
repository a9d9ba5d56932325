"""``acorn evolve``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from acorn.errors import InputError
from acorn.targets import find_target
from training.commands.shared.options import (
    AsJson,
    Dataset,
    Device,
    LabelFiles,
    Seed,
    Space,
    Workers,
    names,
)
from training.commands.shared.output import number, print_line, print_result
from training.commands.shared.progress import progress
from training.labels.reading import read_labels


def evolve(
    space: Space,
    dataset: Dataset,
    labels: LabelFiles,
    out: Annotated[
        Path | None,
        typer.Option(help="Programs (JSON) to write. [default: none]", show_default=False),
    ] = None,
    score: Annotated[
        Path | None,
        typer.Option(
            help="Programs to score on functions that they were not bred on, instead of evolving. "
            "[default: none]",
            show_default=False,
        ),
    ] = None,
    targets: Annotated[
        str, typer.Option(help="What to rank networks by; with commas between.")
    ] = "clean",
    networks: Annotated[int, typer.Option(min=1, help="Labelled functions to measure.")] = 200,
    held_out: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="Share of them that programs are scored on.")
    ] = 0.5,
    population: Annotated[int, typer.Option(help="Programs at a time.")] = 50,
    generations: Annotated[int, typer.Option(help="Times that they are replaced.")] = 15,
    statistics: Annotated[
        Path | None,
        typer.Option(
            help="Statistics of layers (Parquet) to make or bring up to date. "
            "[default: beside the programs]",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="Images to measure with: npz, image folder or CIFAR root. [default: embedded]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Number of images.")] = 16,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Evolve new proxies from what the layers of untrained networks show.

    Examples
    --------
    acorn evolve --space nats_tss --dataset cifar10 --labels mine.parquet --out programs.json

    acorn evolve --space nats_tss --dataset cifar10 --labels more.parquet --score programs.json
    """
    from acorn.optional import need
    from training.proxy_evolution.experiment import (
        canonical_forms,
        read_programs,
        score_programs,
        select_functions,
    )
    from training.proxy_evolution.experiment import evolve as run
    from training.proxy_evolution.network_statistics import Source, measure

    if (out is None) == (score is None):
        raise InputError("expected either --out, to evolve, or --score, to score programs")
    beside = out or score
    assert beside is not None  # noqa: S101 - one of the two was given
    if score is None:
        need("deap", extra="evolve")
    document = None if score is None else read_programs(score)
    known = read_labels(labels, space=space, dataset=dataset)
    wanted = list(dict.fromkeys(find_target(name, known.targets) for name in names(targets)))
    if document is not None:
        known = known.only(set(known.ids) - document["train"])
        if not len(known.frame):
            raise InputError("got no labelled function that the programs were not bred on")
    chosen = select_functions(known, networks, seed=seed)
    source = Source(space, dataset, images, batch_size, seed, device)
    with progress("statistics") as on_progress:
        bank = measure(
            source,
            canonical_forms(chosen),
            statistics or beside.with_name(f"{beside.stem}.statistics.parquet"),
            workers=workers,
            on_progress=on_progress,
        )
    if document is not None:
        scores = score_programs(document, chosen, bank, wanted)
        if as_json:
            print_result({"networks": len(chosen.ids), "programs": scores}, as_json=True)
            return
        print_line("program", *wanted)
        for each in scores:
            print_line(each["text"], *map(number, each["tau"].values()))
        return

    from training.proxy_evolution.genetic_programming import ProgramSearch, breed

    settings = ProgramSearch(population, generations, seed)
    with progress("generations") as on_generation:
        result = run(
            chosen,
            bank,
            wanted,
            lambda fitness: breed(fitness, settings, on_progress=on_generation),
            fraction=held_out,
            seed=seed,
        )
    assert out is not None  # noqa: S101 - there is no document
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result | {"statistics": source.settings}, indent=1) + "\n", "utf-8")
    if as_json:
        print_result({"out": str(out)} | result, as_json=True)
        return
    print_line("program", "fitness", "target", "tau, bred on", "tau, held out")
    for each in [*result["programs"], result["simple"]]:
        for target in wanted:
            taus = (each["tau"][side][target] for side in ("train", "held_out"))
            print_line(each["text"], number(each["fitness"]), target, *map(number, taus))
