"""``acorn evaluate``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from training.commands.shared.options import AsJson, LabelFiles
from training.commands.shared.output import number, print_line, print_result
from training.labels.reading import read_labels


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    labels: LabelFiles,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Features of functions that the bundle's table lacks. [default: none]",
            show_default=False,
        ),
    ] = None,
    include_seen: Annotated[
        bool, typer.Option(help="Also score functions that the bundle was trained on.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Page (HTML) to write, with all figures in it. [default: none]",
            show_default=False,
        ),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(
            help="Learning curves (JSON) for the page. [default: curves.json of the bundle]",
            show_default=False,
        ),
    ] = None,
    protocols: Annotated[
        Path | None,
        typer.Option(
            help="Scores under published protocols (JSON) for the page. [default: none]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a bundle on labelled rows that it never saw.

    Examples
    --------
    acorn evaluate models/released/nats_tss-cifar10 --labels held_out.parquet --json
    """
    from acorn.features.table import FeatureTable
    from acorn.forests import Bundle
    from training.evaluation.evaluate import examine

    page: dict[str, Any] = {}
    if report is not None:  # refuse what it cannot be made of before the work, not after it
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
    result = evaluation.result
    if as_json:
        print_result(result, as_json=True)
        return
    columns = ("n", "kendall_tau", "spearman_rho", "r2", "mae", "coverage", "median_width")
    print_line("target", "rows", *columns)
    for target, scores in result["targets"].items():
        for rows, found in scores.items():
            print_line(target, rows, *(number(found[column]) for column in columns))
