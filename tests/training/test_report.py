"""The report: what its figures say, and a page that loads nothing and hides nothing."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from acorn.errors import InputError, InvalidTableError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import Bundle, PackedForest, Prediction
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out
from acorn.learning.train import train_bundle
from acorn.spaces import get_space
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.report import check_libraries, read_curves, read_protocols, write_report
from training.evaluation.report.correlation import correlation_map
from training.evaluation.report.figures import (
    LEVELS,
    counterpart,
    coverage,
    front,
    thirds,
    twins_ceiling,
)
from training.evaluation.report.impurity import _reductions
from training.evaluation.report.report_inputs import read_published

SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
TARGETS = ["clean", "pgd_linf_1.0", "adv.clean", "fgsm_linf_1.0"]
HOSTILE = "</script><script>alert(1)</script><img src=http://example.org/x onerror=alert(1)>"


def features(ids: Iterable[str]) -> FeatureTable:
    rows = []
    for id_ in sorted(set(ids)):
        noise = np.random.default_rng(list(id_.encode())).normal(size=2)
        counts = {f"cell.{op}": float(id_.count(op)) for op in ("3x3~", "1x1~", "skip")}
        same = {"cell.same": -counts["cell.3x3~"]}
        rows.append(FeatureRow(id_, counts | same | {"synflow": noise[0], "nwot": noise[1]}))
    return FeatureTable.from_rows(rows, SETTINGS)


@pytest.fixture(scope="module")
def labels() -> Labels:
    """Cells with labels that their convolutions decide, and one target that is the same for all."""
    space, rng = get_space("nats_tss"), np.random.default_rng(0)
    cells = space.sample(320, seed=0)
    large, small = (np.array([cell.count(op) for cell in cells]) for op in ("3x3~", "1x1~"))
    noise = rng.normal(size=(3, len(cells)))
    frame = pl.DataFrame(
        {
            "id": [space.parse(cell).id for cell in cells],
            "arch": cells,
            "clean": 70 + 4 * large + small + noise[0],
            "pgd_linf_1.0": 40 + 3 * large - 4 * small + noise[1],
            "adv.clean": 40 + large + noise[2],
            "fgsm_linf_1.0": np.full(len(cells), 10.0),
        }
    )
    return Labels("nats_tss", "cifar10", frame, ())


@pytest.fixture(scope="module")
def folder(labels: Labels, tmp_path_factory: pytest.TempPathFactory, few_steps: None) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "nats_tss-cifar10"
    seen = {i for i, o in zip(labels.ids, held_out(labels.ids, fraction=0.4), strict=True) if not o}
    train_bundle(
        labels.only(seen),
        features(labels.ids),
        out,
        feature_set="both",
        configuration=Configuration(trees=8),
        n_jobs=1,
    )
    return out


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def evaluation(bundle: Bundle, labels: Labels) -> Evaluation:
    return evaluate(bundle, labels)


class Page(HTMLParser):
    """Links, what would be loaded, text outside of scripts, and the content of scripts by id."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.scripts: dict[str, str] = {}
        self.text = self.styles = ""
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self._inside: tuple[str, str] | None = None
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        self.tags.append((tag, values))
        self._inside = (tag, values.get("id", "")) if tag in ("script", "style") else self._inside
        self.links += [values["href"]] if tag == "a" else []
        loading = ("src", "srcset", "data", "poster", "action", "background")
        self.loads += [values[name] for name in loading if name in values]
        self.loads += [values["href"]] if tag != "a" and "href" in values else []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.text += data
        elif self._inside[0] == "style":
            self.styles += data
        else:
            self.scripts[self._inside[1]] = self.scripts.get(self._inside[1], "") + data

    def json(self, name: str) -> Any:
        return json.loads(self.scripts[name])


@pytest.fixture
def write(folder: Path, tmp_path: Path) -> Callable[..., Page]:
    for name in ("altair", "jinja2", "vl_convert"):
        pytest.importorskip(name)

    def write(evaluation: Evaluation, **options: Any) -> Page:
        write_report(evaluation, folder, tmp_path / "out" / "report.html", **options)
        return Page(tmp_path / "out" / "report.html")

    return write


def test_the_page_holds_the_numbers_of_the_evaluation(
    write: Callable[..., Page], evaluation: Evaluation
) -> None:
    page = write(evaluation)
    result = evaluation.result
    assert page.json("scores") == json.loads(json.dumps(result))
    for target in TARGETS:
        assert target in page.text
        scores = result["targets"][target]["by_function"]
        for name in ("kendall_tau", "mae", "median_width"):
            if scores[name] is not None:
                assert f"{scores[name]:.4g}" in page.text
        assert f"{scores['coverage']:.1%}" in page.text
    assert result["targets"]["fgsm_linf_1.0"]["by_function"]["kendall_tau"] is None  # all the same
    assert "No learning curves were given" in page.text
    assert "Our scores under these protocols were not given" in page.text
    assert ".921" in page.text  # GreenFactory's
    assert "Memory, not prediction" not in page.text


def test_the_page_loads_nothing(write: Callable[..., Page], evaluation: Evaluation) -> None:
    page = write(evaluation)
    assert page.loads == []
    assert not re.search(r"@import|url\(", page.styles)
    policies = [v["content"] for t, v in page.tags if t == "meta" and "http-equiv" in v]
    assert [policy.partition(";")[0] for policy in policies] == ["default-src 'none'"]
    assert "http" not in policies[0]
    assert all(link.startswith(("#", "https://arxiv.org/")) for link in page.links)


def test_the_page_can_be_used_without_seeing_the_charts(
    write: Callable[..., Page], evaluation: Evaluation
) -> None:
    page = write(evaluation)
    assert ("html", {"lang": "en"}) in page.tags
    places = [v for t, v in page.tags if "data-chart" in v]
    assert {v["data-chart"] for v in places} == set(page.json("charts")) - {"curves"}
    hidden = [t for t, v in page.tags if "hidden" in v]
    assert hidden == []
    assert all(v["role"] == "img" and len(v["aria-label"]) > 20 for v in places)
    headings = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h\d", t)]
    assert headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert all("scope" in v for t, v in page.tags if t == "th")
    labelled = {v.get("for") for t, v in page.tags if t == "label"}
    assert all(v["id"] in labelled for t, v in page.tags if t == "select")


def test_hostile_names_stay_text(write: Callable[..., Page], evaluation: Evaluation) -> None:
    frame = evaluation.functions.frame.with_columns(pl.lit(HOSTILE).alias("arch"))
    page = write(replace(evaluation, functions=replace(evaluation.functions, frame=frame)))
    assert page.loads == []
    assert "img" not in {tag for tag, _ in page.tags}
    assert page.json("datasets")["functions"][0]["arch"] == HOSTILE
    assert HOSTILE in page.text  # in the table of the fronts
    assert not any("alert" in value for _, v in page.tags for value in v.values() if value)


def test_curves_and_protocols_are_shown(
    write: Callable[..., Page], evaluation: Evaluation, tmp_path: Path
) -> None:
    points = [{"labels": n, "features": "both", "tau": [0.5, n / 1000]} for n in (25, 250)]
    source = tmp_path / "curves.json"
    source.write_text(json.dumps({"pgd_linf_1": points, "square_linf_1.0": points}))
    ours = {
        "protocol": "greenfactory", "space": "nats_tss", "dataset": "cifar10", "target": "clean",
        "split": "by function", "value": 0.8764, "std": 0.0123,
    }  # fmt: skip
    other = ours | {"dataset": "cifar100", "split": "elsewhere", "value": 0.111}
    (tmp_path / "protocols.json").write_text(json.dumps([ours, other]))
    page = write(
        evaluation,
        curves=read_curves(source),
        protocols=read_protocols(tmp_path / "protocols.json"),
    )
    rows = page.json("datasets")["curves"]
    assert [(row["target"], row["labels"]) for row in rows] == [(1, 25), (1, 250)]
    assert rows[1] | {"mean": 0.375, "low": 0.25, "high": 0.5, "draws": 2} == rows[1]
    assert "No learning curves" not in page.text
    assert "0.876 ± 0.012" in page.text
    assert "0.111 ±" not in page.text


def test_one_target_without_a_pair(
    write: Callable[..., Page], bundle: Bundle, labels: Labels
) -> None:
    only = replace(labels, frame=labels.frame.select("id", "arch", "adv.clean"))
    page = write(evaluate(bundle, only))
    assert "nothing to weigh" in page.text
    assert [v["value"] for t, v in page.tags if t == "option"] == ["0"]


def test_constant_labels(write: Callable[..., Page], bundle: Bundle, labels: Labels) -> None:
    frame = labels.frame.with_columns(pl.lit(50.0).alias(name) for name in labels.targets)
    page = write(evaluate(bundle, replace(labels, frame=frame)))
    assert page.json("scores")["targets"]["clean"]["all"]["kendall_tau"] is None


def test_missing_labels(write: Callable[..., Page], bundle: Bundle, labels: Labels) -> None:
    some = pl.int_range(pl.len()) % 5 == 0
    frame = labels.frame.with_columns(
        pl.when(some).then("clean").alias("clean"),
        pl.lit(None, pl.Float64).alias("adv.clean"),
    )
    page = write(evaluate(bundle, replace(labels, frame=frame)))
    first = page.json("datasets")["functions"]
    assert any(row["y"][0] is None for row in first)
    assert all(row["v"][0] is not None for row in first)
    assert page.json("scores")["targets"]["adv.clean"]["all"]["n"] == 0


def test_scores_of_memory_say_so(
    write: Callable[..., Page], bundle: Bundle, labels: Labels
) -> None:
    assert "Memory, not prediction" in write(evaluate(bundle, labels, include_seen=True)).text


def test_charts_are_sound(write: Callable[..., Page], evaluation: Evaluation) -> None:
    """Each compiles, and draws what its data hold."""
    page = write(evaluation, curves=None)
    import vl_convert

    datasets = page.json("datasets") | {"curves": []}
    for name, spec in page.json("charts").items():
        own = {"datasets": datasets | spec.get("datasets", {})}
        drawn = vl_convert.vegalite_to_vega(spec | own, vl_version="6.1")
        assert drawn["marks"], name
        if name not in ("taus", "correlations"):
            assert "target" in {signal["name"] for signal in drawn["signals"]}, name
    taus = page.json("charts")["taus"]
    spec = taus | {"datasets": {"taus": datasets["taus"]}, "width": 300}
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.1")
    assert [target in svg for target in TARGETS] == [True, True, True, False]  # one has no tau


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"needs the package vl_convert, .*acorn-nas\[report\]"):
        check_libraries()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no learning curves"),
        ("[]", "holds no learning curves: at the whole"),
        ('{"clean": [{"labels": 0, "features": "both", "tau": [0.5]}]}', "at clean/0/labels"),
        ('{"clean": [{"labels": 9, "features": "both", "tau": []}]}', "at clean/0/tau"),
        ('{"clean": [{"labels": 9, "features": "both", "tau": [NaN]}]}', "clean/0/tau|the whole"),
    ],
)
def test_other_files_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "curves.json").write_text(content)
    with pytest.raises(InvalidTableError, match=message):
        read_curves(tmp_path / "curves.json")
    with pytest.raises(InvalidTableError, match="cannot read scores under protocols"):
        read_protocols(tmp_path / "absent.json")


def test_published_results_are_sound() -> None:
    rows = read_published()
    assert {row.space for row in rows} == {"nats_tss", "nats_sss"}
    scores = {(row.by.split()[0], row.space, row.dataset): row.value for row in rows if row.value}
    assert scores["GreenFactory", "nats_sss", "cifar100"] == 0.945
    assert scores["GRAF", "nats_tss", "ImageNet16-120"] == 0.796


# -- figures ------------------------------------------------------------------------------------


def test_coverage_agrees_with_the_scores(evaluation: Evaluation) -> None:
    y = evaluation.functions.matrix(TARGETS)
    found = coverage(evaluation, TARGETS, y)
    assert found.shape == (len(TARGETS), len(LEVELS))
    assert (np.diff(found, axis=1) >= 0).all()
    for row, target in zip(found, TARGETS, strict=True):
        scores = evaluation.result["targets"][target]["by_function"]
        assert row[LEVELS.index(0.9)] == pytest.approx(scores["coverage"])


def test_thirds() -> None:
    value = np.array([1.0, 2, 3, 4, 5, 6, 90, np.nan])
    label = np.array([1.0, 9, 3, 9, 5, 6, 9, np.nan])
    by_rank, by_range = thirds(label, Prediction(value, value - 1, value + 1))
    assert [part.n for part in by_rank] == [3, 2, 2]
    assert by_rank[0].coverage == pytest.approx(2 / 3)
    assert [part.n for part in by_range] == [6, 0, 1]
    assert by_range[1].coverage is None
    assert by_range[2].coverage == 0
    empty = np.empty(0)
    assert [part.n for part in thirds(empty, Prediction(empty, empty, empty))[0]] == [0, 0, 0]


def twins(noise: float, copies: int, n: int = 200) -> Labels:
    rng = np.random.default_rng(0)
    truth = np.sort(rng.normal(size=n) * 10 + 50)
    measured = truth[:, None] + noise * rng.normal(size=(n, 2))
    frame = pl.DataFrame(
        {
            "id": np.repeat([f"f{i}" for i in range(n)], 2 + copies),
            "arch": [f"a{i}" for i in range(n * (2 + copies))],
            "clean": measured[:, [0] * copies + [0, 1]].ravel(),
        }
    )
    return Labels("nats_tss", "cifar10", frame, ())


def test_the_ceiling_is_that_of_measurements_apart() -> None:
    noisy, sharp = twins_ceiling(twins(10, 0), "clean"), twins_ceiling(twins(0.1, 0), "clean")
    assert noisy is not None
    assert sharp is not None
    assert 0.2 < noisy < 0.7
    assert sharp > 0.95
    assert twins_ceiling(twins(10, 3), "clean") == noisy  # copies are not measurements
    assert twins_ceiling(twins(10, 0, n=40), "clean") is None
    coarse = twins(10, 0)
    rounded = coarse.frame.with_columns((pl.col("clean") / 20).round())
    assert twins_ceiling(replace(coarse, frame=rounded), "clean") is None


def test_adversarially_trained_networks_are_shown_apart() -> None:
    targets = ["clean", "fgsm_linf_1.0", "pgd_linf_1.0", "adv.clean", "adv.pgd_linf_8"]
    assert counterpart("clean", targets) == ("clean", "pgd_linf_1.0")
    assert counterpart("fgsm_linf_1.0", targets) == ("clean", "fgsm_linf_1.0")
    assert counterpart("adv.clean", targets) == ("adv.clean", "adv.pgd_linf_8")
    assert counterpart("adv.pgd_linf_8", ["clean", "adv.pgd_linf_8"]) is None
    assert counterpart("clean", ["clean", "adv.pgd_linf_8"]) is None


@given(arrays(float, st.tuples(st.just(2), st.integers(0, 12)), elements=st.integers(0, 4)))
def test_a_front_is_what_nothing_beats(points: NDArray[np.float64]) -> None:
    first, second = points
    rows = front(first, second)
    chosen = {(first[row], second[row]) for row in rows}
    beaten = {
        (a, b)
        for a, b in zip(first, second, strict=True)
        if any(c >= a and d >= b and (c, d) != (a, b) for c, d in zip(first, second, strict=True))
    }
    assert chosen == set(zip(first, second, strict=True)) - beaten
    assert len(chosen) == len(rows)


def test_a_front_leaves_out_what_is_not_known() -> None:
    assert front(np.array([np.nan, 1.0, 2.0]), np.array([9.0, np.nan, 1.0])) == [2]


def test_impurity_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 5)).astype(np.float32)
    tree = DecisionTreeRegressor(min_samples_leaf=4, random_state=0).fit(X, X[:, 0] * X[:, 1])
    tree.estimators_ = [tree]
    found = _reductions(PackedForest.from_sklearn(tree), 0)
    np.testing.assert_allclose(found / found.sum(), tree.feature_importances_, atol=1e-5)


def test_like_features_stand_side_by_side() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 100))
    X = np.column_stack([a, b, -a, b + 0.01 * rng.normal(size=100), np.ones(100)])
    columns, rho = correlation_map(X.astype(np.float32), range(5))
    assert {frozenset(columns[:2]), frozenset(columns[2:])} == {
        frozenset({0, 2}),
        frozenset({1, 3}),
    }
    np.testing.assert_allclose(np.diag(rho), 1)
    assert rho[columns.index(0), columns.index(2)] == pytest.approx(-1)
    assert correlation_map(X[:, 4:].astype(np.float32), [0])[0] == []


def test_the_command_writes_the_page(
    folder: Path, labels: Labels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("altair", "jinja2", "vl_convert"):
        pytest.importorskip(name)
    from training.commands.pipeline.evaluate import evaluate as command

    names = {name: f"cifar10.{name}" for name in labels.targets}
    labels.frame.drop("id").rename(names).write_csv(tmp_path / "labels.csv")
    out = tmp_path / "report.html"
    command(folder, [str(tmp_path / "labels.csv")], report=out, as_json=True)
    assert Page(out).json("scores") == json.loads(capsys.readouterr().out)
