"""The figures of a report, as Vega-Lite charts of named data that the page provides."""

from collections.abc import Collection, Sequence
from typing import Any

import altair as alt

from training.evaluation.report.chart_style import BLUE, GREY, ORANGE, PERCENT, varying
from training.evaluation.report.figures import LEVELS

TARGET = "target"
"""Parameter of the charts that show the target chosen on the page: the number of the target."""

_CHOSEN = f"datum.target === {TARGET}"


def predicted_against_true(floors: Sequence[float], unit: str, scale: str) -> Any:
    """Interval and value of each canonical architecture over its label.

    Parameters
    ----------
    floors : sequence of float
        For each target, the label below which architectures are hidden when ``close`` is set.
    unit : str
        Unit of the labels.
    scale : {"linear", "log", "rank"}
        Scale of the target; the axes are linear unless it is ``log``.

    Returns
    -------
    altair.LayerChart
    """
    base = (
        alt.Chart(alt.NamedData("functions"))
        .transform_calculate(
            label=f"datum.y[{TARGET}]",
            value=f"datum.v[{TARGET}]",
            lower=f"datum.lo[{TARGET}]",
            upper=f"datum.hi[{TARGET}]",
        )
        .transform_filter(f"isValid(datum.label) && (!close || datum.label >= floors[{TARGET}])")
        .transform_calculate(
            interval="datum.lower <= datum.label && datum.label <= datum.upper"
            " ? 'holds the label' : 'misses it'"
        )
        .encode(x=varying(alt.X, "label:Q", f"measured ({unit})", scale))
    )
    colour = alt.Color("interval:N", title="90% interval").scale(
        domain=["holds the label", "misses it"], range=[BLUE, ORANGE]
    )
    rules = base.mark_rule(opacity=0.25).encode(
        colour, y=varying(alt.Y, "lower:Q", f"predicted ({unit})", scale), y2="upper:Q"
    )
    points = base.mark_circle(size=22, opacity=0.8).encode(
        colour,
        y="value:Q",
        tooltip=_tooltip(label="measured", value="predicted", lower="from", upper="to"),
    )
    diagonal = (
        base.transform_aggregate(a="min(label)", b="max(label)")
        .mark_rule(strokeDash=[4, 4])
        .encode(x="a:Q", x2="b:Q", y="a:Q", y2="b:Q")
    )
    close, low = alt.param(name="close", value=False), alt.param(name="floors", value=list(floors))
    return _sized(alt.layer(rules, diagonal, points), 420, close, low)


def tau_by_target(names: Sequence[str], shown: Collection[str]) -> Any:
    """Tau of each target, next to that of cross-validation and the ceiling that twins show.

    Parameters
    ----------
    names : sequence of str
        Targets in order.
    shown : collection of str
        Kinds of tau that a target has.

    Returns
    -------
    altair.Chart
    """
    styles = {
        "this evaluation": (BLUE, "circle"),
        "cross-validation": (GREY, "diamond"),
        "one more training (twins)": (ORANGE, "triangle-right"),
    }
    kinds = [kind for kind in styles if kind in shown]
    colours, shapes = ([styles[kind][part] for kind in kinds] for part in range(2))
    kind: dict[str, Any] = {"title": None, "sort": kinds}
    scale = alt.Scale(zero=len(names) == len(kinds) == 1)  # one point alone has no range
    chart = (
        alt.Chart(alt.NamedData("taus"))
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("tau:Q", title="Kendall tau", scale=scale),
            y=alt.Y("name:N", sort=list(names), title=None).axis(labelLimit=220, grid=True),
            color=alt.Color("kind:N", **kind).scale(domain=kinds, range=colours).legend(columns=2),
            shape=alt.Shape("kind:N", **kind).scale(domain=kinds, range=shapes),
            tooltip=["name:N", "kind:N", alt.Tooltip("tau:Q", format=".4f")],
        )
    )
    return chart.properties(width="container", height=alt.Step(18))


def tau_by_labels() -> Any:
    """Learning curves of the chosen target: mean and range of the draws."""
    base = (
        alt.Chart(alt.NamedData("curves"))
        .transform_filter(_CHOSEN)
        .encode(
            x=alt.X("labels:Q", title="labelled functions").scale(type="log"),
            color=alt.Color("features:N", title="features"),
        )
    )
    band = base.mark_area(opacity=0.15).encode(
        y=varying(alt.Y, "low:Q", "Kendall tau"), y2="high:Q"
    )
    four_digits = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("mean", "low", "high")]
    line = base.mark_line(point=True).encode(
        y="mean:Q", tooltip=["features:N", "labels:Q", "draws:Q", *four_digits]
    )
    return _sized(alt.layer(band, line), 300)


def coverage_by_level() -> Any:
    """Coverage of the chosen target, and of the others in grey."""
    x = varying(alt.X, "level:Q", "level asked for").axis(PERCENT)
    y = varying(alt.Y, "coverage:Q", "labels held").axis(PERCENT)
    same = alt.InlineData([{"level": level, "coverage": level} for level in LEVELS])
    base = alt.Chart(alt.NamedData("coverage")).encode(x, y)
    diagonal = alt.Chart(same).mark_line(strokeDash=[4, 4], color="#888").encode(x, y)
    others = base.mark_line(opacity=0.18, color="#888").encode(detail="name:N")
    chosen = (
        base.transform_filter(_CHOSEN)
        .mark_line(point=True, color=BLUE)
        .encode(
            tooltip=[
                "name:N",
                alt.Tooltip("level:Q", format=".0%"),
                alt.Tooltip("coverage:Q", format=".1%"),
            ]
        )
    )
    return _sized(alt.layer(diagonal, others, chosen), 320)


def importances(*, ranks: bool) -> Any:
    """Importances of the chosen target, with standard deviations.

    Parameters
    ----------
    ranks : bool
        Whether they are shares of the variance of a bundle without labels, and not permutation
        importances.

    Returns
    -------
    altair.LayerChart
    """
    base = _features()
    title = "share of the variance of the score" if ranks else "drop of R² when shuffled"
    bars = base.mark_bar(color=BLUE).encode(x=alt.X("importance:Q", title=title))
    errors = base.mark_rule().encode(x="low:Q", x2="high:Q")
    return _sized(alt.layer(bars, errors), alt.Step(18))


def impurities() -> Any:
    """Impurity importances of the same clusters, in the same order."""
    bars = _features().mark_bar(color=GREY)
    x = alt.X("impurity:Q", title="share of impurity", axis=PERCENT)
    return _sized(bars.encode(x=x), alt.Step(18))


def _features() -> alt.Chart:
    by_rank = alt.EncodingSortField("rank", op="min")
    return (
        alt.Chart(alt.NamedData("importances"))
        .transform_filter(_CHOSEN)
        .encode(
            y=alt.Y("feature:N", title=None, sort=by_rank).axis(labelLimit=190),
            tooltip=[
                "feature:N",
                alt.Tooltip("others:N", title="shuffled with"),
                alt.Tooltip("importance:Q", format=".4f"),
                alt.Tooltip("std:Q", format=".4f", title="standard deviation"),
                alt.Tooltip("impurity:Q", format=".1%"),
            ],
        )
    )


def correlations(names: Sequence[str]) -> Any:
    """Rank correlations of features, in the order of their clustering.

    Parameters
    ----------
    names : sequence of str
        Features in order.

    Returns
    -------
    altair.Chart
    """
    axis = alt.Axis(labelLimit=170, labelFontSize=9, labelOverlap=False)
    places: dict[str, Any] = {"sort": list(names), "title": None, "axis": axis}
    chart = (
        alt.Chart(alt.NamedData("correlations"))
        .mark_rect()
        .encode(
            x=alt.X("a:N", **places),
            y=alt.Y("b:N", **places),
            color=alt.Color("rho:Q", title="Spearman rho").scale(
                scheme="blueorange", domain=[-1, 1], reverse=True
            ),
            tooltip=["a:N", "b:N", alt.Tooltip("rho:Q", format=".2f")],
        )
    )
    return chart.properties(width="container", height=alt.Step(14))


def clean_against_robust(clean: Sequence[int], robust: Sequence[int], *, unit: str) -> Any:
    """Measured accuracies of all canonical architectures, with two Pareto fronts.

    Parameters
    ----------
    clean, robust : sequence of int
        For each target that may be chosen, the numbers of the two targets to show.
    unit : str
        Unit of both.

    Returns
    -------
    altair.LayerChart
    """
    kinds = ["measured front", "chosen by the forest"]
    kind: dict[str, Any] = {"title": None, "sort": kinds}
    axes = [
        varying(alt.X, "clean:Q", f"clean, measured ({unit})"),
        varying(alt.Y, "robust:Q", f"robust, measured ({unit})"),
    ]
    tooltip = _tooltip(clean="clean", robust="robust")
    points = (
        alt.Chart(alt.NamedData("functions"))
        .transform_calculate(clean=f"datum.y[clean[{TARGET}]]", robust=f"datum.y[robust[{TARGET}]]")
        .transform_filter("isValid(datum.clean) && isValid(datum.robust)")
        .mark_circle(size=16, opacity=0.45, color=GREY)
        .encode(*axes, tooltip=tooltip)
    )
    colour = alt.Color("kind:N", **kind).scale(domain=kinds, range=[BLUE, ORANGE])
    shape = alt.Shape("kind:N", **kind).scale(domain=kinds, range=["circle", "square"])
    fronts = (
        alt.Chart(alt.NamedData("fronts")).transform_filter(_CHOSEN).encode(*axes, color=colour)
    )
    chart = alt.layer(
        points,
        fronts.mark_line(strokeWidth=1.5, opacity=0.8),
        fronts.mark_point(size=50, strokeWidth=2).encode(shape=shape, tooltip=tooltip),
    )
    pair = [alt.param(name="clean", value=[*clean]), alt.param(name="robust", value=[*robust])]
    return _sized(chart, 420, *pair)


def _tooltip(**titles: str) -> list[alt.Tooltip]:
    """Architecture, and numbers with titles."""
    return [
        alt.Tooltip("arch:N", title="architecture"),
        *(alt.Tooltip(f"{name}:Q", format=".2f", title=title) for name, title in titles.items()),
    ]


def _sized(chart: Any, height: Any, *parameters: alt.Parameter) -> Any:
    """Make a chart of the chosen target as wide as the page allows."""
    target = alt.param(name=TARGET, value=0)
    return chart.add_params(target, *parameters).properties(width="container", height=height)
