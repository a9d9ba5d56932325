"""Draw the figures of ``docs/gallery.md``: ``python -m benchmarks.gallery [QUESTION ...]``.

Each figure is one question: its title is the question, its subtitle the answer, which is printed
as well. Predictions are those of the released bundles. Figures of proxies, of few labels and of
searches by labels show the tables of ``docs/results.md``. Three questions need label tables:
``real_networks`` reads the families of networks, ``evolved_proxies`` reads accuracies, and
``intervals`` trains a bundle on four fifths of the labelled classes, which takes some minutes and
is kept in ``build/``.
"""

import argparse
import io
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from acorn import load_bundle
from acorn.features.feature_table import FeatureTable
from acorn.forests import Bundle
from acorn.learning.evaluation_metrics import tau
from acorn.learning.train import train_bundle
from acorn.pareto import pareto_front
from acorn.proxies import list_proxies
from benchmarks.correlations import SPACES, path
from benchmarks.evolution import MAIN
from benchmarks.held_out import split
from benchmarks.release import find_release
from training.evaluation.evaluate import evaluate
from training.evaluation.report import charts
from training.evaluation.report.chart_style import BLUE, GREY, ORANGE, varying
from training.evaluation.report.numbers import Numbers

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIGURES = DOCS / "figures"
HELD_OUT = DOCS.parent / "build" / "gallery_held_out"
"""Bundle of ``intervals``, which is trained if it is missing."""

GREEN = "#1b9e77"

WIDTH, HEIGHT = 610, 380
"""Of the area of the data, so that a figure is about 700 pixels wide."""

CLEAN, PGD, SPEED = "clean", "pgd_linf_1.0", "throughput.rtx3090_amp"
LEAST_ACCURACY, LEAST_SPEED = 80, 2000
"""What the network of the question has to reach."""

FAMILIES = 6
"""Families with a colour."""

LEAST_CLEAN, LEAST_SHOWN, FASTEST_SHOWN = 70, 60, 20_000
"""Bounds of the axes; a few cells and networks are beyond."""

SEARCHES_SHOWN = ["acorn", "bananas", "local", "evolution", "random"]
SEARCH_COLOURS = [ORANGE, BLUE, GREEN, "#7b5ea7", GREY]
ENOUGH, LEAST_REGRET = 60, 0.01
"""Labels of the answer, and the least distance that is drawn, since zero has no logarithm."""

SMALL = 140
"""Width and height of each of several charts."""

LETTERS = 110
"""In a line of a subtitle."""

SCALE, COLOURS = 1.3, 128
"""Pixels per pixel of the page, and colours, of a PNG file."""


@dataclass(frozen=True)
class Figure:
    """A chart, the answer, and the suffix of the file: thousands of points are smaller as PNG."""

    chart: Any
    answer: str
    suffix: str = ".svg"


def robust_cells(_: Path) -> Figure:
    """Predict all equivalence classes of NAS-Bench-201, and mark the Pareto front."""
    predictor = load_bundle("nats_tss-cifar10")
    cells = [id_.partition("/")[2] for id_ in predictor.bundle.table.ids]
    found = predictor.predict(
        [{"space": "nats_tss", "arch": cell} for cell in cells], targets=[CLEAN, PGD]
    )
    clean, pgd = found[CLEAN], found[PGD]
    front = pareto_front(np.column_stack([clean.value, pgd.value]))
    table = pl.DataFrame({"clean": clean.value, "pgd": pgd.value}).with_columns(
        front=pl.int_range(pl.len()).is_in(front.tolist())
    )
    shown = table.filter(pl.col("clean") >= LEAST_CLEAN)
    axes = (
        varying(alt.X, "clean:Q", "predicted clean accuracy (%)"),
        varying(alt.Y, "pgd:Q", "predicted accuracy under PGD at 1/255 (%)"),
    )
    kinds = ["Pareto front", "other cells"]
    base = (
        alt.Chart(alt.InlineData(shown.to_dicts()))
        .transform_calculate(kind=f"datum.front ? '{kinds[0]}' : '{kinds[1]}'")
        .encode(
            *axes,
            color=alt.Color("kind:N", title=None, sort=kinds).scale(
                domain=kinds, range=[ORANGE, GREY]
            ),
        )
    )
    on_front = base.transform_filter("datum.front")
    chart = alt.layer(
        base.transform_filter("!datum.front").mark_circle(size=12, opacity=0.5),
        on_front.mark_line(strokeWidth=1.5),
        on_front.mark_circle(size=60, opacity=1),
    )
    best, second = front[-1], front[-2]
    return Figure(
        chart,
        f"The most robust cell is predicted to keep {pgd.value[best]:.1f}% "
        f"({pgd.lower[best]:.1f} to {pgd.upper[best]:.1f}), at {clean.value[best]:.1f}% clean "
        f"accuracy; the next one also keeps {pgd.value[second]:.1f}%, at "
        f"{clean.value[second]:.1f}%. {len(table) - len(shown)} of {len(table)} classes are "
        f"below {LEAST_CLEAN}% and not shown.",
        ".png",
    )


def real_networks(shared: Path) -> Figure:
    """Predict accuracy and throughput of the networks in the table of the ImageNet bundle."""
    predictor = load_bundle("universal-imagenet1k")
    frame = predictor.bundle.table.frame.select(
        name=pl.col("arch").str.replace("@.*", ""),
        size=pl.col("arch").str.extract("@(.*)").cast(int).fill_null(224),
    )
    specs = [
        {"space": "timm", "arch": name, "conditions": {"image_size": size}}
        for name, size in frame.iter_rows()
    ]
    found = predictor.predict(specs, targets=[CLEAN, SPEED])
    frame = frame.with_columns(clean=found[CLEAN].value, speed=found[SPEED].value)
    families = pl.concat(
        pl.read_parquet(shared / "benchmarks" / f"{name}.parquet").select(
            name=pl.col("arch"), family="family"
        )
        for name in ("imagenet_timm", "imagenet_timm_speed")
    ).unique("name")
    frame = frame.join(families, on="name", how="left", maintain_order="left")
    front = pareto_front(frame.select("clean", "speed").to_numpy())
    frame = frame.with_columns(front=pl.int_range(pl.len()).is_in(front.tolist()))
    largest = frame["family"].drop_nulls().value_counts(sort=True)["family"][:FAMILIES].to_list()
    frame = frame.with_columns(
        pl.when(pl.col("family").is_in(largest)).then("family").otherwise(pl.lit("others"))
    )
    shown = frame.filter(pl.col("clean") >= LEAST_SHOWN, pl.col("speed") <= FASTEST_SHOWN)
    wanted = frame.filter(pl.col("clean") > LEAST_ACCURACY, pl.col("speed") >= LEAST_SPEED)
    best = wanted.sort("clean", descending=True).row(0, named=True)

    axes = (
        varying(alt.X, "speed:Q", "predicted images per second on an RTX 3090", "log").axis(
            values=[10, 30, 100, 300, 1000, 2000, 5000, 10_000]
        ),
        varying(alt.Y, "clean:Q", "predicted accuracy on ImageNet (%)"),
    )
    base = alt.Chart(alt.InlineData(shown.to_dicts())).encode(*axes)
    order = [*largest, "others"]
    colours = [BLUE, ORANGE, GREEN, "#9c4fc4", "#c9a200", "#d6336c", "#c4c4c4"]
    colour = alt.Color("family:N", title="family", sort=order).scale(domain=order, range=colours)
    limits = alt.Chart(alt.InlineData([{"speed": LEAST_SPEED, "clean": LEAST_ACCURACY}]))
    dashes: dict[str, Any] = {"strokeDash": [4, 4], "color": "#555"}
    chart = alt.layer(
        limits.mark_rule(**dashes).encode(x="speed:Q"),
        limits.mark_rule(**dashes).encode(y="clean:Q"),
        base.transform_filter("datum.family === 'others'")
        .mark_circle(size=18, opacity=1)
        .encode(color=colour),
        base.transform_filter("datum.family !== 'others'")
        .mark_circle(size=26, opacity=1)
        .encode(color=colour),
        base.transform_filter("datum.front").mark_line(color="#333", strokeWidth=1.2),
        alt.Chart(alt.InlineData([best]))
        .mark_point(size=140, color="#333", strokeWidth=2)
        .encode(*axes),
        alt.Chart(alt.InlineData([best]))
        .mark_text(align="left", dx=10, dy=-8, fontSize=13, fontWeight="bold")
        .encode(*axes, text="name:N"),
    )
    return Figure(
        chart,
        f"{best['name']}: {best['clean']:.1f}% at {best['speed']:,.0f} images per second. "
        f"{wanted['name'].n_unique()} networks reach both. Line: the Pareto front. Each point is "
        "a network at one image size.",
        ".png",
    )


def few_labels(_: Path) -> Figure:
    """Draw the learning curves that ``benchmarks.few_labels`` printed."""
    lines = [line.split() for line in printed("benchmarks.few_labels").splitlines()[1:]]
    rows: list[dict[str, Any]] = [
        {"space": space, "labels": int(labels), "tau": float(tau)}
        for space, features, labels, tau, *_ in lines[: lines.index([])]
        if features == "structure"
    ]
    base = alt.Chart(alt.InlineData(rows)).encode(
        x=alt.X("labels:Q", title="labels").axis(values=sorted({row["labels"] for row in rows})),
        y=varying(alt.Y, "tau:Q", "Kendall tau on the other members"),
        color=alt.Color("space:N", title="space").scale(range=[GREEN, BLUE, ORANGE]),
    )
    at = {labels: [row["tau"] for row in rows if row["labels"] == labels] for labels in (0, 25)}
    return Figure(
        base.mark_line(point=alt.OverlayMarkDef(size=50)),
        f"25 labels rank the other members with a tau of {min(at[25]):.2f} to "
        f"{max(at[25]):.2f}; without labels it is {min(at[0]):.2f} to {max(at[0]):.2f}.",
    )


def intervals(shared: Path) -> Figure:
    """Draw the intervals of a fifth of the classes, from a bundle that learned from the others."""
    train, test, features = split(shared)
    if not HELD_OUT.is_dir():
        print(f"training {HELD_OUT}", flush=True)
        train_bundle(train, features, HELD_OUT, targets=[CLEAN, PGD])
    numbers = Numbers(evaluate(Bundle.load(HELD_OUT), test), HELD_OUT, {}, ())
    number = numbers.targets.index(PGD)
    coverage = {
        row["level"]: row["coverage"]
        for row in numbers.datasets["coverage"]
        if row["target"] == number
    }
    for level, share in coverage.items():
        print(f"{level:.0%} intervals hold {share:.1%} of the labels")
    side = WIDTH // 2 - 40
    chart: Any = alt.hconcat(
        *(
            part.properties(width=side, height=side)
            for part in (
                charts.predicted_against_true(numbers.floors, "%", "linear"),
                charts.coverage_by_level(),
            )
        )
    )
    chart.datasets = {name: numbers.datasets[name] for name in ("functions", "coverage")}
    for parameter in chart.params:
        if parameter.name == charts.TARGET:
            parameter.value = number
    return Figure(
        chart,
        f"90% intervals hold {coverage[0.9]:.1%} of the labels of {len(test.by_function().ids)} "
        f"classes that the forest never saw; 50% intervals hold {coverage[0.5]:.1%} "
        "(accuracy under PGD at 1/255).",
        ".png",
    )


def proxies(_: Path) -> Figure:
    """Draw the time and the mean tau of each proxy that ``benchmarks.correlations`` printed."""
    table = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in printed("benchmarks.correlations").splitlines()
    ]
    head, body = table[0], table[2:]
    spaces = [head.index(column) for column in ("TSS clean", "SSS clean", "Macro clean")]
    rows: list[dict[str, Any]] = [
        {
            "proxy": row[0],
            "ms": float(row[head.index("ms")]),
            "tau": float(np.mean([float(row[place].partition(" / ")[0]) for place in spaces])),
        }
        for row in body
    ]
    front = pareto_front(np.array([[row["tau"], -row["ms"]] for row in rows]))
    for row in rows:
        row["above"] = None
    for place, row_number in enumerate(front):  # names that do not overlap
        rows[row_number]["above"] = place % 3 != 2
    base = alt.Chart(alt.InlineData(rows)).encode(
        x=alt.X("ms:Q", title="processor time of the proxy alone (ms)").scale(
            type="log", domain=[15, 1000]
        ),
        y=varying(alt.Y, "tau:Q", "Kendall tau with clean accuracy, mean of three spaces"),
    )
    on_front = base.transform_filter("datum.above !== null")
    named: dict[str, Any] = {"fontSize": 12, "fontWeight": "bold"}
    chart = alt.layer(
        base.transform_filter("datum.above === null").mark_circle(size=45, color=GREY, opacity=0.9),
        on_front.mark_line(color=ORANGE, strokeWidth=1.5),
        on_front.mark_circle(size=60, color=ORANGE, opacity=1),
        on_front.transform_filter("datum.above").mark_text(dy=-12, **named).encode(text="proxy:N"),
        on_front.transform_filter("!datum.above").mark_text(dy=15, **named).encode(text="proxy:N"),
    )
    best = rows[front[0]]
    other = max(
        (row for row in rows if not row["proxy"].startswith("evolved_")), key=lambda row: row["tau"]
    )
    return Figure(
        chart,
        f"{best['proxy']}: a tau of {best['tau']:.2f} in {best['ms']:.0f} ms; its evolution saw "
        f"networks of these spaces. The best published one, {other['proxy']}, has "
        f"{other['tau']:.2f} in {other['ms']:.0f} ms. Line: no proxy is both "
        "better and faster.",
    )


def evolved_proxies(shared: Path) -> Figure:
    """Draw the percentile by clean accuracy over that by each evolved proxy."""
    names = list_proxies("evolved_*")
    rows, taus = [], []
    for space in SPACES:
        frame = FeatureTable.read(path(space)).frame
        labels = find_release(f"{space}-{MAIN}").read_labels(shared).by_function().frame
        pairs = frame.join(labels.select("id", CLEAN), on="id").drop_nulls(CLEAN)
        for name in names:
            taus.append(tau(pairs[CLEAN].to_numpy(), pairs[name].to_numpy()))
            ranks = pairs.select(
                x=100 * pl.col(name).rank() / pl.len(), y=100 * pl.col(CLEAN).rank() / pl.len()
            )
            rows += [{"space": space, "proxy": name, **row} for row in ranks[::3].to_dicts()]
    colour = alt.Color("space:N", title=None).scale(domain=SPACES, range=[GREEN, BLUE, ORANGE])
    each = [
        alt.Chart(alt.InlineData([row for row in rows if row["proxy"] == name]), title=name)
        .mark_circle(size=16, opacity=0.6)
        .encode(
            x=alt.X("x:Q", title="percentile by the proxy"),
            y=alt.Y("y:Q", title="percentile by accuracy"),
            color=colour,
        )
        .properties(width=WIDTH // len(names), height=WIDTH // len(names))
        for name in names
    ]
    answer = "; ".join(
        f"{name}: tau {', '.join(f'{value:.2f}' for value in taus[place :: len(names)])}"
        for place, name in enumerate(names)
    )
    return Figure(alt.hconcat(*each), f"{answer} ({', '.join(SPACES)}; CIFAR-10).", ".png")


def label_search(_: Path) -> Figure:
    """Draw the regret of the searches that ``benchmarks.label_search`` printed."""
    head, *lines = printed("benchmarks.label_search").partition("\n\n")[0].splitlines()
    sizes = [int(word) for word in head.split() if word.isdecimal()]
    rows: list[dict[str, Any]] = []
    for words in map(str.split, lines):
        *task, search, _draws = words[: -len(sizes)]
        regrets = zip(sizes, map(float, words[-len(sizes) :]), strict=True)
        rows += [
            {"task": " ".join(task), "search": search, "labels": labels, "regret": regret}
            for labels, regret in regrets
            if search in SEARCHES_SHOWN
        ]
    colour = alt.Color("search:N", title=None, sort=SEARCHES_SHOWN).scale(
        domain=SEARCHES_SHOWN, range=SEARCH_COLOURS
    )
    each = [
        alt.Chart(
            alt.InlineData([row for row in rows if row["task"] == task]),
            title=alt.Title(task.replace("corruption_", ""), fontSize=13),
        )
        .transform_calculate(shown=f"max(datum.regret, {LEAST_REGRET})")
        .mark_line()
        .encode(
            x=alt.X("labels:Q", title="labels").axis(values=sizes),
            y=alt.Y("shown:Q", title="distance to the best (%)")
            .scale(type="log")
            .axis(values=[0.01, 0.1, 1, 10]),
            color=colour,
        )
        .properties(width=SMALL, height=SMALL)
        for task in dict.fromkeys(row["task"] for row in rows)
    ]
    most = {
        search: max(
            row["regret"] for row in rows if (row["search"], row["labels"]) == (search, ENOUGH)
        )
        for search in SEARCHES_SHOWN
    }
    others = ", ".join(f"{search} {most[search]:.1f}" for search in SEARCHES_SHOWN[1:])
    return Figure(
        alt.concat(*each, columns=3),
        f"With {ENOUGH} labels the search of Acorn is within {most[SEARCHES_SHOWN[0]]:.1f}% of the "
        f"best one in every task. The largest distance of the others: {others}.",
        ".png",
    )


QUESTIONS: dict[Callable[[Path], Figure], str] = {
    robust_cells: "Which cell of NAS-Bench-201 keeps most accuracy under attack?",
    real_networks: (
        "Which real network is over 80% on ImageNet and runs 2,000 images per second "
        "on an RTX 3090?"
    ),
    few_labels: "How many labels does a space of my own need?",
    intervals: "Can I trust the interval?",
    proxies: "Which proxies tell most for their time?",
    evolved_proxies: "How do evolved proxies rank the networks of three spaces?",
    label_search: "How many labels does a search for the best architecture need?",
}
LABELLED = (real_networks, intervals, evolved_proxies)
"""Questions that need label tables."""


def printed(module: str) -> str:
    """Return what a benchmark printed: the block or table after its command in the results."""
    text = (DOCS / "results.md").read_text("utf-8")
    after = text.partition(f"$ python -m {module}\n```\n\n")[2]
    if not after:
        raise LookupError(f"docs/results.md: got no output of {module}; expected it")
    block = re.match(r"```text\n(.*?)```", after, re.DOTALL)
    return block[1] if block else after.partition("\n\n")[0]


def styled(figure: Figure, question: str) -> Any:
    """Return the chart with its title, subtitle, size and fonts."""
    chart = figure.chart.properties(
        title=alt.Title(
            textwrap.wrap(question, 68),
            subtitle=textwrap.wrap(figure.answer, LETTERS),
            anchor="start",
            offset=14,
        ),
        background="white",
        padding=12,
    )
    if not isinstance(chart, alt.HConcatChart | alt.ConcatChart):
        chart = chart.properties(width=WIDTH, height=HEIGHT)
    return (
        chart.configure_title(fontSize=17, subtitleFontSize=13, subtitleLineHeight=18)
        .configure_axis(labelFontSize=12, titleFontSize=13, titleFontWeight="normal")
        .configure_legend(
            labelFontSize=12, titleFontSize=12, orient="bottom", symbolSize=80, symbolOpacity=1
        )
    )


def draw(question: Callable[[Path], Figure], shared: Path, folder: Path) -> Path:
    """Draw the figure of a question, print the answer, and return the path of the file."""
    figure = question(shared)
    path = folder / f"gallery_{question.__name__}{figure.suffix}"
    print(f"{QUESTIONS[question]}\n  {figure.answer}", flush=True)
    chart = styled(figure, QUESTIONS[question])
    if figure.suffix == ".png":
        from PIL import Image

        image = io.BytesIO()
        chart.save(image, format="png", scale_factor=SCALE)
        Image.open(image).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    else:
        chart.save(path)
    return path


def main() -> None:
    """Draw and print."""
    names = {question.__name__: question for question in QUESTIONS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", help=f"{', '.join(names)}; all by default")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder of the figures")
    options = parser.parse_args()
    chosen = options.questions or [*names]
    if unknown := set(chosen) - names.keys():
        parser.error(f"got {', '.join(sorted(unknown))}; expected {', '.join(names)}")
    needy = [name for name in chosen if names[name] in LABELLED]
    tables = options.shared / "benchmarks"
    if needy and not tables.is_dir():
        sys.exit(
            f"got no label tables in {tables}, which {' and '.join(needy)} need; "
            "expected them there, in the folder that --shared names, or other questions"
        )
    for name in chosen:
        draw(names[name], options.shared, options.out)


if __name__ == "__main__":
    main()
