"""``acorn evaluate``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from acorn.spaces import recognise_ids
from training.commands.shared import options
from training.commands.shared.output import number, print_json, print_table
from training.labels.reading import read_labels

SCORES = ("n", "kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")
RELATIVE = "median_relative_error"
"""A score of targets on a log scale."""


def evaluate(
    bundle: Annotated[
        Path, typer.Argument(help="Folder of the bundle, or name of a released one.")
    ],
    labels: options.LabelFiles,
    features: Annotated[
        Path | None, options.optional("Features of architectures that the bundle's table lacks.")
    ] = None,
    include_seen: Annotated[
        bool, typer.Option(help="Also score architectures that the bundle was trained on.")
    ] = False,
    report: Annotated[
        Path | None, options.optional("Page (HTML) to write, with all figures.")
    ] = None,
    curves: Annotated[
        Path | None,
        options.optional(
            "Learning curves (JSON) for the page.", default="curves.json of the bundle"
        ),
    ] = None,
    protocols: Annotated[
        Path | None, options.optional("Scores under published protocols (JSON) for the page.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Score a bundle on labelled rows that it was not trained on.

    Examples
    --------
    acorn evaluate models/released/nats_tss-cifar10 --labels held_out.parquet --json
    """
    from acorn.features.feature_table import FeatureTable
    from acorn.forests import Bundle
    from acorn.forests.released import find_bundle
    from training.evaluation.evaluate import evaluate
    from training.evaluation.report import check_libraries, report_inputs, write_report

    bundle = find_bundle(bundle)
    page: dict[str, Any] = {}
    if report is not None:  # refuse bad inputs of the page before the work
        check_libraries()
        in_bundle = bundle / "curves.json"
        source = in_bundle if curves is None and in_bundle.is_file() else curves
        page["curves"] = None if source is None else report_inputs.read_curves(source)
        page["protocols"] = () if protocols is None else report_inputs.read_protocols(protocols)
    loaded = Bundle.load(bundle)
    recognise_ids(loaded.table.ids)
    evaluation = evaluate(
        loaded,
        read_labels(
            labels, space=loaded.space, dataset=loaded.dataset, conditions=loaded.conditions
        ),
        features=None if features is None else FeatureTable.read(features),
        include_seen=include_seen,
    )
    if report is not None:
        write_report(evaluation, bundle, report, **page)
    if as_json:
        print_json(evaluation.result)
        return
    targets = evaluation.result["targets"]
    has_relative = any(RELATIVE in kinds["all"] for kinds in targets.values())
    names = (*SCORES, RELATIVE) if has_relative else SCORES
    rows = [
        [target, kind, *(number(scores.get(name)) for name in names)]
        for target, kinds in targets.items()
        for kind, scores in kinds.items()
    ]
    print_table(["target", "rows", *names], rows)
