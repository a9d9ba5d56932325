"""The page: a template, charts, and the libraries that draw them, all in one file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from acorn import __version__
from acorn.errors import InputError
from acorn.targets import Target
from training.evaluation.evaluate import LEVEL, Evaluation
from training.evaluation.report.figures import LEAST_PAIRS
from training.evaluation.report.numbers import MOST_POINTS, Numbers
from training.evaluation.report.report_inputs import Curves, Ours

NEEDS = ("altair", "jinja2", "vl_convert")
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
    evaluation
        What :func:`~training.evaluation.evaluate.examine` gives.
    folder
        Where the bundle was loaded from.
    out
        The page.
    curves
        Kendall tau of each target with few labels; without them the page says so.
    protocols
        Our scores under the protocols of published results.

    Raises
    ------
    InputError
        If the libraries that draw are not installed; says how to install them.
    """
    check_libraries()
    page = _render(Numbers.of(evaluation, folder, curves or {}, protocols))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")


def check_libraries() -> None:
    """Refuse, in one line, to make a report without the libraries that it needs."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise InputError(
            f"a report needs {', '.join(missing)}: install acorn-nas[report] and try again"
        )


def _render(numbers: Numbers) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.evaluation.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = _score
    environment.filters["three"] = lambda value: "-" if value is None else f"{value:.3f}"
    environment.filters["share"] = lambda value: "-" if value is None else f"{value:.1%}"
    evaluation = numbers.evaluation
    return environment.get_template(TEMPLATE).render(
        forest=evaluation.result["forest"],
        manifest=evaluation.bundle.manifest,
        sources=evaluation.labels.sources,
        targets=numbers.targets,
        rows=numbers.rows,
        pairs=numbers.pairs,
        fronts=numbers.datasets["fronts"],
        importances=numbers.datasets["importances"],
        compared=numbers.compared,
        has_ours=any(len(row["ours"]) > 1 for row in numbers.compared),
        has_curves=bool(numbers.datasets["curves"]),
        has_correlations=bool(numbers.correlated),
        has_ceilings=any(row["ceiling"] is not None for row in numbers.rows),
        level=LEVEL,
        least_pairs=LEAST_PAIRS,
        most_points=MOST_POINTS,
        result=evaluation.result,
        datasets=numbers.datasets,
        charts=_charts(numbers),
        drawing=_drawing(),
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


@cache
def _drawing() -> str:
    """The program that draws charts, of the version that they are written for."""
    import vl_convert
    from altair import VEGALITE_VERSION

    version = VEGALITE_VERSION.rpartition(".")[0]
    program = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    # a string in it that ends the element would end the program
    return program.replace("</script", r"<\/script")


def _charts(numbers: Numbers) -> dict[str, Any]:
    from training.evaluation.report import charts

    units = dict.fromkeys(Target.of(name).unit for name in numbers.targets)
    found = {
        "predicted": charts.predicted_against_true(numbers.floors, " or ".join(units)),
        "taus": charts.tau_by_target(numbers.targets),
        "curves": charts.tau_by_labels(),
        "coverage": charts.coverage_by_level(),
        "importances": charts.importances(),
        "impurities": charts.impurities(),
        "correlations": charts.correlations(numbers.correlated),
        "fronts": charts.clean_against_robust(*zip(*numbers.pairs, strict=True))
        if numbers.pairs
        else None,
    }
    return {name: chart.to_dict() for name, chart in found.items() if chart is not None}


def _score(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
