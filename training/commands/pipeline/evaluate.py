"""``acorn evaluate``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from training.commands.shared import options
from training.commands.shared.output import number, print_json, print_table
from training.labels.reading import read_labels

SCORES = ("n", "kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    labels: options.LabelFiles,
    features: Annotated[
        Path | None,
        options.optional("Features of architectures that the bundle's table lacks."),
    ] = None,
    include_seen: Annotated[
        bool, typer.Option(help="Also score architectures that the bundle was trained on.")
    ] = False,
    report: Annotated[
        Path | None, options.optional("Page (HTML) to write, with all figures in it.")
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
    """Score a bundle on labelled rows that it never saw.

    Examples
    --------
    acorn evaluate models/released/nats_tss-cifar10 --labels held_out.parquet --json
    """
    from acorn.features.feature_table import FeatureTable
    from acorn.forests import Bundle
    from training.evaluation.evaluate import examine

    page: dict[str, Any] = {}
    if report is not None:  # refuse bad inputs of the page before the work, not after it
        from training.evaluation.report import check_libraries, read_curves, read_protocols

        check_libraries()
        own = bundle / "curves.json"
        source = own if curves is None and own.is_file() else curves
        page["curves"] = None if source is None else read_curves(source)
        page["protocols"] = () if protocols is None else read_protocols(protocols)
    loaded = Bundle.load(bundle)
    evaluation = examine(
        loaded,
        read_labels(labels, space=loaded.space, dataset=loaded.dataset),
        features=None if features is None else FeatureTable.read(features),
        include_seen=include_seen,
    )
    if report is not None:
        from training.evaluation.report import write_report

        write_report(evaluation, bundle, report, **page)
    if as_json:
        print_json(evaluation.result)
        return
    rows = [
        [target, kind, *(number(scores[name]) for name in SCORES)]
        for target, kinds in evaluation.result["targets"].items()
        for kind, scores in kinds.items()
    ]
    print_table(["target", "rows", *SCORES], rows)
