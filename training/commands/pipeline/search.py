"""``acorn search``."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from acorn.conditions import parse_conditions
from acorn.datasets import canonical_name
from acorn.errors import InputError
from acorn.nas.objectives import (
    Constraint,
    EvolutionSettings,
    Objectives,
    check_names,
    parse_constraints,
)
from acorn.progress import progress
from acorn.spaces import SPACES, UNIVERSAL, get_space
from training.commands.shared import options
from training.commands.shared.output import print_json, print_table
from training.result_tables import check_suffix, write_table

POOL = "sample:500"
"""Candidates of a search by labels."""


def search(
    out: Annotated[Path, typer.Option(help="The front (Parquet, CSV or JSON) to write.")],
    bundle: Annotated[
        Path | None,
        options.optional(
            "Folder of the forest bundle, or name of a released one.", default="search by labels"
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        options.optional(
            "Comma-separated targets, which are optimised in their direction, and, with a bundle, "
            "params or flops, which are minimised.",
            default="clean,params; clean with a label budget",
        ),
    ] = None,
    space: Annotated[
        str | None,
        options.optional("Space to search.", default="the bundle's, or the only one of its table"),
    ] = None,
    conditions: Annotated[
        str | None,
        options.optional(
            "Conditions, such as image_size=288,pretraining=none.",
            default="the bundle's; every image size of its table",
        ),
    ] = None,
    archs: Annotated[
        str | None,
        options.optional(
            "Candidates: all, sample:N, or a text file with one on each line.",
            default="the whole space if its features are known; the bundle's table for a space "
            "without mutations; else evolution",
        ),
    ] = None,
    max_params: Annotated[
        float | None, options.optional("Most millions of parameters.", default="any", min=0)
    ] = None,
    max_flops: Annotated[
        float | None,
        options.optional("Most millions of multiply-accumulates.", default="any", min=0),
    ] = None,
    constraints: Annotated[
        str | None,
        options.optional(
            "Comma-separated bounds on targets, in their units, and on params and flops, in "
            "millions, such as clean>=92,params<=5.",
            default="none",
        ),
    ] = None,
    pessimistic: Annotated[
        bool,
        typer.Option(
            "--pessimistic",
            help="Compare worse ends of intervals, not values, also with constraints.",
        ),
    ] = False,
    in_domain: Annotated[
        bool, typer.Option("--in-domain", help="Leave out architectures unlike the training data.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Level of the intervals, inside (0, 1).")] = 0.9,
    population: Annotated[int, typer.Option(help="Parents of evolution, 4 or more.")] = 40,
    evaluations: Annotated[
        int, typer.Option(help="Most architectures that evolution evaluates.")
    ] = 1000,
    features: Annotated[
        Path | None,
        options.optional("Feature table for features to compute.", default="beside OUT"),
    ] = None,
    label_budget: Annotated[
        int | None,
        options.optional("Search and label in turn, so many labels in all.", default="no", min=1),
    ] = None,
    command: Annotated[
        str | None,
        options.optional(
            "Program that labels {arch}, run without a shell. Its last line is a number or a JSON "
            "object of the objectives.",
            default="none",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        options.optional("Dataset of the labels.", default="the space's first"),
    ] = None,
    labels: Annotated[
        Path | None,
        options.optional(
            "Label table (Parquet or CSV) that keeps every label; a rerun continues it.",
            default="beside OUT",
        ),
    ] = None,
    images: options.Images = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    workers: options.Workers = 0,
    as_json: options.AsJson = False,
) -> None:
    """Search for architectures that no other architecture dominates.

    Examples
    --------
    acorn search --bundle models/released/nats_tss-cifar10 --objectives clean,pgd_linf_1.0
    --max-params 0.8 --out front.csv

    acorn search --bundle models/released/universal-cifar10 --space darts
    --objectives clean,flops --evaluations 200 --out front.parquet

    acorn search --bundle universal-imagenet1k --objectives clean,throughput.rtx4090_amp
    --constraints "throughput.rtx4090_amp>=2000,params<=30" --conditions pretraining=none
    --out front.csv

    acorn search --space nats_tss --dataset cifar10 --objectives clean --label-budget 40
    --command "python train.py {arch}" --out best.csv
    """
    check_suffix(out)
    store = features or out.with_name(f"{out.stem}.features.parquet")
    by_labels = label_budget is not None or command is not None
    if objectives is None:
        objectives = "clean" if by_labels else "clean,params"
    goals = options.names(objectives)
    check_names(goals)
    if by_labels:
        if label_budget is None or command is None or space is None or bundle is not None:
            raise InputError(
                "got a part of --label-budget, --command and --space, or --bundle beside them; "
                "expected these three without a bundle"
            )
        table = labels or out.with_name(f"{out.stem}.labels.csv")
        _search_by_labels(
            space, dataset, archs or POOL, goals, label_budget, command, out, table, store,
            seed=seed, device=device, workers=workers, as_json=as_json,
        )  # fmt: skip
        return
    if bundle is None:
        raise InputError("got neither --bundle nor --label-budget; expected one of them")
    from acorn.forests import Bundle
    from acorn.forests.released import find_bundle
    from training.nas.evaluator import ArchitectureEvaluator
    from training.nas.pareto_search import find_front

    limits = {"params": max_params, "flops": max_flops}
    bounds = [Constraint(name, "<=", most) for name, most in limits.items() if most is not None]
    bounds += parse_constraints(constraints or "")
    loaded = Bundle.load(find_bundle(bundle))
    if space is None and loaded.space == UNIVERSAL:
        in_table = {id_.partition("/")[0] for id_ in loaded.table.ids} & {*SPACES}
        if len(in_table) != 1:
            raise InputError(f"got no --space; expected one, since {loaded.name} is for any space")
        (space,) = in_table
    if space is not None and loaded.space not in (space, UNIVERSAL):
        raise InputError(f"got --space {space}; {loaded.name} is for {loaded.space}")
    evaluator = ArchitectureEvaluator(
        loaded,
        get_space(space or loaded.space),
        Objectives(goals, bounds, pessimistic, in_domain),
        conditions=parse_conditions(conditions or ""),
        interval=interval,
        store=store,
        images=images,
        device=device,
        workers=workers,
    )
    with progress("search") as on_progress:
        front, evaluated = find_front(
            evaluator,
            EvolutionSettings(population, evaluations, seed),
            archs=archs,
            on_progress=on_progress,
        )
    write_table(front, out)
    if as_json:
        units = evaluator.objectives.units(loaded.describe)
        searched = {"out": str(out), "judged": evaluated, "units": units}
        print_json({**searched, "front": front.to_dicts()})
    else:
        print_table(front.columns, front.with_columns(pl.selectors.float().round(3)).rows())


def _search_by_labels(
    space: str,
    dataset: str | None,
    archs: str,
    objectives: list[str],
    budget: int,
    command: str,
    out: Path,
    labels: Path,
    store: Path,
    *,
    seed: int,
    device: str,
    workers: int,
    as_json: bool,
) -> None:
    """Label architectures by a command, and write the front of the labelled ones."""
    from acorn.features.recipe import FeatureRecipe
    from training.features.compute import compute_features, select_architectures
    from training.nas.label_search import LabelSearch, Values, run_command
    from training.nas.labels_file import LabelsFile

    measure = run_command(command, objectives)
    candidates = get_space(space)
    name = canonical_name(dataset or candidates.datasets[0])
    kept = LabelsFile(labels, candidates, name, objectives)
    with progress("features") as on_progress:
        table = compute_features(
            FeatureRecipe.create(name, [], seed=seed),
            space,
            select_architectures(candidates, archs, dataset=name),
            store,
            device=device,
            workers=workers,
            on_progress=on_progress,
        )
    search = LabelSearch(table, space, objectives, seed, kept.read())
    failures = 0

    def keep(arch: str, values: Values | None, reason: str) -> None:
        nonlocal failures
        kept.add(arch, values)
        if values is None:
            failures += 1
            typer.echo(f"{arch} was not labelled: {reason}", err=True)

    with progress("labels") as on_progress:
        search.run(measure, budget, on_label=keep, on_progress=on_progress)
    front = search.front()
    write_table(front, out)
    if as_json:
        spent = {"labels": len(search.labels), "failures": failures}
        print_json({"out": str(out), **spent, "front": front.to_dicts()})
    else:
        print_table(front.columns, front.rows())
