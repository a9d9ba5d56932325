"""Writes a report: one HTML file with the charts and the library that draws them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from acorn import __version__
from acorn.optional import need
from acorn.targets import Target
from training.evaluation.evaluate import LEVEL, Evaluation
from training.evaluation.report.figures import LEAST_PAIRS
from training.evaluation.report.numbers import MOST_POINTS, Numbers
from training.evaluation.report.report_inputs import Curves, Ours
from training.result_tables import write_text

TEMPLATE = "page.html.j2"


def write_report(
    evaluation: Evaluation,
    folder: Path,
    out: Path,
    *,
    curves: Curves | None = None,
    protocols: Sequence[Ours] = (),
) -> None:
    """Write the report of an evaluation: one HTML file that loads nothing.

    Parameters
    ----------
    evaluation : Evaluation
        Result of :func:`~training.evaluation.evaluate.evaluate`.
    folder : pathlib.Path
        Folder that the bundle was loaded from.
    out : pathlib.Path
        The HTML file; its folder is made if needed.
    curves : Mapping, optional
        Points of the learning curve of each target; without them the page says so.
    protocols : sequence of Ours, default=()
        Our scores under the protocols of published results.

    Raises
    ------
    InputError
        If a library of the extra ``report`` is not installed.
    """
    check_libraries()
    page = _render(Numbers(evaluation, folder, curves or {}, protocols))
    write_text(page, out)


def check_libraries() -> None:
    """Raise :class:`~acorn.errors.InputError` if a library that reports need is not installed."""
    for library in ("altair", "jinja2", "vl_convert"):
        need(library, extra="report")


def _render(numbers: Numbers) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.evaluation.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = partial(_formatted, ".4g")
    environment.filters["three"] = partial(_formatted, ".3f")
    environment.filters["share"] = partial(_formatted, ".1%")
    evaluation = numbers.evaluation
    return environment.get_template(TEMPLATE).render(
        forest=evaluation.result["forest"],
        manifest=evaluation.bundle.manifest,
        population=len(evaluation.bundle.table),
        sources=evaluation.labels.sources,
        numbers=numbers,
        has_ours=any(len(row["ours"]) > 1 for row in numbers.compared),
        has_relative=any("median_relative_error" in row["scores"]["all"] for row in numbers.rows),
        has_ceilings=any(row["ceiling"] is not None for row in numbers.rows),
        level=LEVEL,
        least_pairs=LEAST_PAIRS,
        most_points=MOST_POINTS,
        result=evaluation.result,
        charts=_charts(numbers),
        predicted={name: targets for name, (_, targets) in _quantities(numbers.described).items()},
        drawing=_drawing(),
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


@cache
def _drawing() -> str:
    """JavaScript that draws charts of the version that altair writes."""
    import vl_convert
    from altair import VEGALITE_VERSION

    version = VEGALITE_VERSION.rpartition(".")[0]
    program = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    # a string that closes the element would end the program
    return program.replace("</script", r"<\/script")


def _charts(numbers: Numbers) -> dict[str, Any]:
    from training.evaluation.report import charts

    drawn = {
        name: charts.predicted_against_true(numbers.floors, target.unit, target.scale)
        for name, (target, _) in _quantities(numbers.described).items()
    }
    drawn |= {
        "taus": charts.tau_by_target(
            numbers.targets, {row["kind"] for row in numbers.datasets["taus"]}
        ),
        "curves": charts.tau_by_labels(),
        "coverage": charts.coverage_by_level(),
        "importances": charts.importances(ranks=numbers.evaluation.bundle.manifest.ranks),
        "impurities": charts.impurities(),
        "correlations": charts.correlations(numbers.correlated),
        "fronts": charts.clean_against_robust(
            *zip(*numbers.pairs, strict=True), unit=numbers.described[numbers.pairs[0][0]].unit
        )
        if numbers.pairs
        else None,
    }
    return {name: chart.to_dict() for name, chart in drawn.items() if chart is not None}


def _quantities(targets: Sequence[Target]) -> dict[str, tuple[Target, list[int]]]:
    """For each chart of predicted values: a target of its unit and scale, and numbers of all."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, target in enumerate(targets):
        numbers.setdefault((target.unit, target.scale), []).append(number)
    return {
        f"predicted-{place}" if place else "predicted": (targets[of_one[0]], of_one)
        for place, of_one in enumerate(numbers.values())
    }


def _formatted(number_format: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else format(value, number_format)
