"""The figures, as Vega-Lite charts on named data that the page provides."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from training.evaluation.report.figures import LEVELS

TARGET = "target"
"""Parameter of the charts that follow the page's choice of a target: its number."""

_HOLDS = alt.Scale(domain=["holds the label", "misses it"], range=["#2f86cc", "#d95f02"])
_PERCENT = alt.Axis(format=".0%")


def _target() -> alt.Parameter:
    return alt.param(name=TARGET, value=0)


def _chosen() -> str:
    return f"datum.target === {TARGET}"


def predicted_against_true(floors: Sequence[float], unit: str) -> Any:
    """Interval and value of each function over its label.

    Parameters
    ----------
    floors
        Label of each target below which functions are hidden when ``close`` is set.
    unit
        Unit of the labels.
    """
    close = alt.param(name="close", value=False)
    low = alt.param(name="floors", value=list(floors))
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
        .encode(x=alt.X("label:Q", title=f"measured ({unit})", scale=alt.Scale(zero=False)))
    )
    colour = alt.Color("interval:N", scale=_HOLDS, title="90% interval")
    rules = base.mark_rule(opacity=0.25).encode(
        y=alt.Y("lower:Q", title=f"predicted ({unit})", scale=alt.Scale(zero=False)),
        y2="upper:Q",
        color=colour,
    )
    points = base.mark_circle(size=22, opacity=0.8).encode(
        y="value:Q",
        color=colour,
        tooltip=[
            alt.Tooltip("arch:N", title="architecture"),
            alt.Tooltip("label:Q", format=".2f", title="measured"),
            alt.Tooltip("value:Q", format=".2f", title="predicted"),
            alt.Tooltip("lower:Q", format=".2f", title="from"),
            alt.Tooltip("upper:Q", format=".2f", title="to"),
        ],
    )
    diagonal = (
        base.transform_aggregate(a="min(label)", b="max(label)")
        .mark_rule(strokeDash=[4, 4])
        .encode(x="a:Q", x2="b:Q", y="a:Q", y2="b:Q")
    )
    return _sized(alt.layer(rules, diagonal, points).add_params(_target(), close, low), 420)


def tau_by_target(names: Sequence[str]) -> Any:
    """Tau of each target, beside cross-validation's and the ceiling that twins show."""
    base = alt.Chart(alt.NamedData("taus")).encode(
        y=alt.Y("name:N", sort=list(names), title=None, axis=alt.Axis(labelLimit=220, grid=True))
    )
    kinds = ["this evaluation", "cross-validation", "one more training (twins)"]
    return _sized(
        base.mark_point(filled=True, size=60).encode(
            x=alt.X("tau:Q", title="Kendall tau", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "kind:N",
                title=None,
                sort=kinds,
                scale=alt.Scale(domain=kinds, range=["#2f86cc", "#9a9a9a", "#d95f02"]),
                legend=alt.Legend(columns=2),
            ),
            shape=alt.Shape(
                "kind:N",
                title=None,
                sort=kinds,
                scale=alt.Scale(domain=kinds, range=["circle", "diamond", "triangle-right"]),
            ),
            tooltip=["name:N", "kind:N", alt.Tooltip("tau:Q", format=".4f")],
        ),
        alt.Step(18),
    )


def tau_by_labels() -> Any:
    """Learning curves of the chosen target: mean and range of the draws."""
    base = (
        alt.Chart(alt.NamedData("curves"))
        .transform_filter(_chosen())
        .encode(
            x=alt.X("labels:Q", scale=alt.Scale(type="log"), title="labelled functions"),
            color=alt.Color("features:N", title="features"),
        )
    )
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title="Kendall tau", scale=alt.Scale(zero=False)), y2="high:Q"
    )
    line = base.mark_line(point=True).encode(
        y="mean:Q",
        tooltip=[
            "features:N",
            "labels:Q",
            alt.Tooltip("draws:Q"),
            *(alt.Tooltip(f"{name}:Q", format=".4f") for name in ("mean", "low", "high")),
        ],
    )
    return _sized(alt.layer(band, line).add_params(_target()), 300)


def coverage_by_level() -> Any:
    """Coverage of the chosen target among those of all others."""
    data = alt.NamedData("coverage")
    x = alt.X("level:Q", title="level asked for", axis=_PERCENT, scale=alt.Scale(zero=False))
    y = alt.Y("coverage:Q", title="labels held", axis=_PERCENT, scale=alt.Scale(zero=False))
    same = alt.InlineData([{"level": level, "coverage": level} for level in LEVELS])
    diagonal = alt.Chart(same).mark_line(strokeDash=[4, 4], color="#888").encode(x=x, y=y)
    others = alt.Chart(data).mark_line(opacity=0.18, color="#888").encode(x, y, detail="name:N")
    chosen = (
        alt.Chart(data)
        .transform_filter(_chosen())
        .mark_line(point=True, color="#2f86cc")
        .encode(
            x,
            y,
            tooltip=[
                "name:N",
                alt.Tooltip("level:Q", format=".0%"),
                alt.Tooltip("coverage:Q", format=".1%"),
            ],
        )
    )
    return _sized(alt.layer(diagonal, others, chosen).add_params(_target()), 320)


def importances() -> Any:
    """Permutation importances of the chosen target, with standard deviations."""
    base = _features()
    bars = base.mark_bar(color="#2f86cc").encode(
        x=alt.X("importance:Q", title="drop of R² when shuffled"), tooltip=_feature_tooltip()
    )
    errors = base.mark_rule().encode(x="low:Q", x2="high:Q")
    return _sized(alt.layer(bars, errors).add_params(_target()), alt.Step(18))


def impurities() -> Any:
    """Impurity importances of the same clusters, in the same order."""
    bars = (
        _features()
        .mark_bar(color="#9a9a9a")
        .encode(
            x=alt.X("impurity:Q", title="share of impurity", axis=_PERCENT),
            tooltip=_feature_tooltip(),
        )
    )
    return _sized(bars.add_params(_target()), alt.Step(18))


def _features() -> alt.Chart:
    y = alt.Y("feature:N", title=None, sort=alt.EncodingSortField("rank", op="min"))
    return (
        alt.Chart(alt.NamedData("importances"))
        .transform_filter(_chosen())
        .encode(y=y.axis(labelLimit=190))
    )


def _feature_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("feature:N"),
        alt.Tooltip("others:N", title="shuffled with"),
        alt.Tooltip("importance:Q", format=".4f"),
        alt.Tooltip("std:Q", format=".4f", title="standard deviation"),
        alt.Tooltip("impurity:Q", format=".1%"),
    ]


def correlations(names: Sequence[str]) -> Any:
    """Rank correlations of features, in the order of their clustering."""
    axis = alt.Axis(labelLimit=170, labelFontSize=9, labelOverlap=False)
    colour = alt.Scale(scheme="blueorange", domain=[-1, 1], reverse=True)
    return _sized(
        alt.Chart(alt.NamedData("correlations"))
        .mark_rect()
        .encode(
            x=alt.X("a:N", sort=list(names), title=None, axis=axis),
            y=alt.Y("b:N", sort=list(names), title=None, axis=axis),
            color=alt.Color("rho:Q", scale=colour, title="Spearman rho"),
            tooltip=["a:N", "b:N", alt.Tooltip("rho:Q", format=".2f")],
        ),
        alt.Step(14),
    )


def clean_against_robust(clean: Sequence[int], robust: Sequence[int]) -> Any:
    """Measured accuracies of all functions, with two Pareto fronts.

    Parameters
    ----------
    clean, robust
        Numbers of the two targets to show for each one that may be chosen.
    """
    kinds = ["measured front", "chosen by the forest"]
    points = (
        alt.Chart(alt.NamedData("functions"))
        .transform_calculate(clean=f"datum.y[clean[{TARGET}]]", robust=f"datum.y[robust[{TARGET}]]")
        .transform_filter("isValid(datum.clean) && isValid(datum.robust)")
        .mark_circle(size=16, opacity=0.45, color="#9a9a9a")
    )
    tooltip = [
        alt.Tooltip("arch:N", title="architecture"),
        alt.Tooltip("clean:Q", format=".2f"),
        alt.Tooltip("robust:Q", format=".2f"),
    ]
    x = alt.X("clean:Q", title="clean, measured (%)", scale=alt.Scale(zero=False))
    y = alt.Y("robust:Q", title="robust, measured (%)", scale=alt.Scale(zero=False))
    colours = alt.Scale(domain=kinds, range=["#2f86cc", "#d95f02"])
    shapes = alt.Scale(domain=kinds, range=["circle", "square"])
    fronts = (
        alt.Chart(alt.NamedData("fronts"))
        .transform_filter(_chosen())
        .encode(x, y, color=alt.Color("kind:N", title=None, scale=colours, sort=kinds))
    )
    pair = [alt.param(name="clean", value=[*clean]), alt.param(name="robust", value=[*robust])]
    return _sized(
        alt.layer(
            points.encode(x, y, tooltip=tooltip),
            fronts.mark_line(strokeWidth=1.5, opacity=0.8),
            fronts.mark_point(size=50, strokeWidth=2).encode(
                shape=alt.Shape("kind:N", title=None, scale=shapes, sort=kinds), tooltip=tooltip
            ),
        ).add_params(_target(), *pair),
        420,
    )


def _sized(chart: Any, height: Any) -> Any:
    """As wide as the page allows."""
    return chart.properties(width="container", height=height)
