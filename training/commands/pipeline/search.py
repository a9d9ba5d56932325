"""``acorn search``."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.spaces import UNIVERSAL, get_space
from training.commands.shared import options
from training.commands.shared.output import print_json, print_table
from training.commands.shared.progress import progress
from training.result_tables import check_suffix, write_table


def search(
    bundle: Annotated[Path, typer.Option(help="Folder of the forest bundle.")],
    out: Annotated[Path, typer.Option(help="The front (Parquet, CSV or JSON) to write.")],
    objectives: Annotated[
        str,
        typer.Option(
            help="Targets, which are maximised, and params or flops, which are minimised; "
            "with commas between."
        ),
    ] = "clean,params",
    space: Annotated[
        str | None, options.optional("Space to search.", default="the bundle's")
    ] = None,
    archs: Annotated[
        str | None,
        options.optional(
            "Candidates: all, sample:N, or a file with one a line.",
            default="the whole space if its features are known, else evolution",
        ),
    ] = None,
    max_params: Annotated[
        float | None, options.optional("Most millions of parameters.", default="any", min=0)
    ] = None,
    max_flops: Annotated[
        float | None,
        options.optional("Most millions of multiply-accumulates.", default="any", min=0),
    ] = None,
    pessimistic: Annotated[
        bool, typer.Option("--pessimistic", help="Compare lower ends of intervals, not values.")
    ] = False,
    in_domain: Annotated[
        bool,
        typer.Option("--in-domain", help="Leave out what is unlike the forest's training data."),
    ] = False,
    interval: Annotated[float, typer.Option(help="Level of the intervals, inside (0, 1).")] = 0.9,
    population: Annotated[int, typer.Option(help="Of evolution: a multiple of four.")] = 40,
    evaluations: Annotated[
        int, typer.Option(help="Most architectures that evolution evaluates.")
    ] = 1000,
    features: Annotated[
        Path | None,
        options.optional("Feature table for what has to be computed.", default="beside OUT"),
    ] = None,
    images: options.Images = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    workers: options.Workers = 0,
    as_json: options.AsJson = False,
) -> None:
    """Search for architectures that no other beats in all objectives at once.

    Examples
    --------
    acorn search --bundle models/released/nats_tss-cifar10 --objectives clean,pgd_linf_1.0
    --max-params 0.8 --out front.csv

    acorn search --bundle models/released/universal-cifar10 --space darts
    --objectives clean,flops --evaluations 200 --out front.parquet
    """
    from acorn.forests import Bundle
    from training.nas.evaluator import ArchitectureEvaluator
    from training.nas.objectives import EvolutionSettings, Objectives
    from training.nas.pareto_search import find_front

    check_suffix(out)
    goals = Objectives(options.names(objectives), pessimistic, max_params, max_flops)
    if not goals.names:
        raise InputError("got no objectives; expected targets, params or flops")
    loaded = Bundle.load(bundle)
    if space is None and loaded.space == UNIVERSAL:
        raise InputError(f"{loaded.name} is for any space; expected --space")
    if space is not None and loaded.space not in (space, UNIVERSAL):
        raise InputError(f"got --space {space}; {loaded.name} is for {loaded.space}")
    searched = get_space(space or loaded.space)
    evaluator = ArchitectureEvaluator(
        loaded,
        searched,
        get_dataset(loaded.dataset),
        goals,
        interval=interval,
        store=features or out.with_name(f"{out.stem}.features.parquet"),
        images=images,
        device=device,
        workers=workers,
    )
    with progress("search") as on_progress:
        front, evaluated = find_front(
            searched,
            evaluator,
            goals,
            EvolutionSettings(population, evaluations, seed),
            archs=archs,
            in_domain=in_domain,
            on_progress=on_progress,
        )
    write_table(front, out)
    if as_json:
        print_json({"out": str(out), "judged": evaluated, "front": front.to_dicts()})
    else:
        print_table(front.columns, front.with_columns(pl.selectors.float().round(3)).rows())
