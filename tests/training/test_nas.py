"""Pareto search, over what is known and by evolution."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import acorn
from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.forests import Bundle
from acorn.nas.nsga2 import best_rows, crowding_distance, next_generation
from acorn.nas.objectives import (
    Constraint,
    EvolutionSettings,
    Objectives,
    parse_constraints,
)
from acorn.pareto import pareto_front
from acorn.spaces import get_space
from training.commands.main import run
from training.nas.evaluator import ArchitectureEvaluator
from training.nas.pareto_search import evolve

RELEASED = Path(__file__).parents[2] / "models" / "released"
BUNDLE = RELEASED / "nasbench_macro-cifar10"
SPACE = get_space("nasbench_macro")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(BUNDLE)


def evaluator_of(
    bundle: Bundle, objectives: Objectives, store: Path = Path("absent")
) -> ArchitectureEvaluator:
    return ArchitectureEvaluator(bundle, SPACE, objectives, interval=0.9, store=store)


def test_front_is_what_nothing_dominates() -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).integers(0, 6, (40, 1 + seed % 3)).astype(float)
        expected = [
            not any((other >= row).all() and (other > row).any() for other in values)
            for row in values
        ]
        front = pareto_front(values)
        assert sorted(front) == np.flatnonzero(expected).tolist()
        assert (np.diff(values[front, 0]) <= 0).all()


def test_whole_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "front.parquet"
    common = ["search", "--bundle", str(BUNDLE), "--objectives", "clean,params", "--out", str(out)]
    assert run([*common, "--max-flops", "60", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    front = printed["front"]
    assert printed["judged"] < 3969  # the limit leaves some out
    assert pl.read_parquet(out).to_dicts() == front
    assert len({SPACE.parse(row["arch"]).id for row in front}) == len(front) > 10
    dataset = get_dataset("cifar10")
    for better, worse in itertools.pairwise(front):
        assert better["clean"] > worse["clean"]
        assert better["params"] > worse["params"]
    for row in front:
        cost = SPACE.cost(row["arch"], dataset)
        assert (row["params"], row["flops"]) == (cost.params, cost.flops)
        assert cost.flops <= 60
        assert row["clean.lower"] <= row["clean"] <= row["clean.upper"]

    assert run([*common, "--max-flops", "60", "--pessimistic", "--in-domain", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["units"] == {"clean": "percent", "params": "million", "flops": "million"}
    wary = printed["front"]
    assert wary != front
    assert all(row["in_domain"] for row in wary)
    lower = [row["clean.lower"] for row in wary]
    assert lower == sorted(lower, reverse=True)


def test_evolution_finds_most_of_the_front(bundle: Bundle) -> None:
    objectives = Objectives(["clean", "flops"], parse_constraints("params<=2"))
    evaluator = evaluator_of(bundle, objectives)
    state = random.getstate()
    settings = EvolutionSettings(population=20, evaluations=300, seed=3)
    done: list[tuple[int, int]] = []
    found = evolve(evaluator, settings, on_progress=lambda *now: done.append(now))
    assert random.getstate() == state
    assert done[-1] == (300, 300)
    assert found["arch"].n_unique() == len(found) == 300
    assert max(found["params"]) <= 2.0
    assert evolve(evaluator, settings).equals(found)
    generation = next_generation(
        SPACE, objectives, settings, evaluator.cost, found.head(100)
    )  # a search continues from its results
    assert generation == found["arch"][100:120].to_list()
    every = evaluator.evaluate(sorted({SPACE.parse(arch).canonical for arch in SPACE.enumerate()}))
    every = every.filter(pl.col("params") <= 2.0)
    drawn = every.sample(300, seed=0)

    def reached(frame: pl.DataFrame) -> float:
        """Mean over budgets of the best accuracy within them."""
        budgets = np.linspace(30, 120, 10)
        return float(np.mean([frame.filter(pl.col("flops") <= b)["clean"].max() for b in budgets]))

    assert reached(found) > reached(drawn)
    assert reached(found) > reached(every) - 0.3


def test_limits_that_nothing_keeps(bundle: Bundle) -> None:
    objectives = Objectives(["clean"], parse_constraints("params<=0.001"))
    with pytest.raises(InputError, match="keeps within the limits"):
        evolve(evaluator_of(bundle, objectives), EvolutionSettings(4, 8))


def test_best_rows() -> None:
    """Feasible rows come first, by layer, then by crowding distance; then the least violations."""
    values = np.array([[0, 3], [1, 2.9], [3, 0], [2, 2], [0, 0], [9, 9], [8, 8]], float)
    violations = np.array([0, 0, 0, 0, 0, 0.2, 0.1])
    assert crowding_distance(values[:4]).tolist()[::2] == [np.inf, np.inf]
    assert best_rows(values, violations, 9) == [2, 0, 3, 1, 4, 6, 5]
    assert best_rows(values, violations, 3) == [2, 0, 3]
    assert best_rows(values[:0], violations[:0], 3) == []


def test_constraints_on_predictions(bundle: Bundle) -> None:
    """Evolution turns to architectures that keep a constraint, and the front has only these."""
    constraints = parse_constraints(" clean >= 92.5, params<=2.5,clean<=92.8")
    assert [str(each) for each in constraints] == ["clean>=92.5", "params<=2.5", "clean<=92.8"]
    objectives = Objectives(["params"], constraints)
    assert objectives.units() == {"params": "million", "clean": "percent"}
    found = evolve(evaluator_of(bundle, objectives), EvolutionSettings(20, 200))
    kept = pl.col("clean").is_between(92.5, 92.8) & (pl.col("params") <= 2.5)
    assert found.head(20).filter(kept).height < found.tail(20).filter(kept).height
    front = objectives.front(found)
    assert front["params"].to_list() == [found.filter(kept)["params"].min()] * len(front)
    wary = Objectives(["params"], constraints[:1], pessimistic=True).front(found)
    assert wary["clean.lower"].min() >= 92.5  # type: ignore[operator]
    unknown = found.with_columns(pl.lit(None, pl.Float64).alias("clean"))
    assert objectives.front(unknown).is_empty()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean", "expected NAME>=NUMBER or NAME<=NUMBER"),
        ("clean>92", "expected NAME>=NUMBER"),
        ("clean>=x", r"expected a number from 0 to 100 \(percent\)"),
        ("clean>=nan", "expected a number"),
        ("clean>=920", r"got constraint 'clean>=920'; expected a number from 0 to 100 \(percent\)"),
        ("throughput.cpu<=-1", r"expected a number from 0 \(images/s\)"),
        ("params>=1e999", r"expected a number from 0 \(million\)"),
        ("snow>=3", "unknown target 'snow'; expected one of .*, params, flops"),
    ],
)
def test_constraints_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Constraint.parse(text)


def test_features_that_the_bundle_lacks_are_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    universal = RELEASED / "universal-cifar10"
    graph = json.loads(get_space("graph").example)
    (tmp_path / "nets.txt").write_text(json.dumps(graph))
    arguments = [
        "search", "--bundle", str(universal), "--space", "graph", "--objectives", "clean,flops",
        "--archs", str(tmp_path / "nets.txt"), "--out", str(tmp_path / "front.csv"),
        "--workers", "1", "--json",
    ]  # fmt: skip
    assert run(arguments) == 0, capsys.readouterr().err
    (row,) = json.loads(capsys.readouterr().out)["front"]
    assert 0 <= row["clean"] <= 100
    kept = tmp_path / "front.features.parquet"
    before = kept.stat().st_mtime_ns
    assert run(arguments) == 0
    assert kept.stat().st_mtime_ns == before


REAL = "universal-imagenet1k"
SPEED = "throughput.rtx4090_amp"


def test_real_networks_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each network at each image size; the values are those of predictions."""
    out = tmp_path / "front.csv"
    common = ["search", "--bundle", REAL, "--objectives", f"clean,{SPEED}", "--out", str(out)]
    assert run([*common, "--json"]) == 0, capsys.readouterr().err
    printed = json.loads(capsys.readouterr().out)
    front = printed["front"]
    assert printed["judged"] > 1500
    assert pl.read_csv(out)["arch"].to_list() == [row["arch"] for row in front]
    assert len({row["image_size"] for row in front}) > 3
    assert {row["pretraining"] for row in front} == {"none"}
    for better, worse in itertools.pairwise(front):
        assert better["clean"] > worse["clean"]
        assert better[SPEED] < worse[SPEED]
    predictor = acorn.load_bundle(REAL)
    specs = [
        {"space": "timm", "arch": row["arch"], "conditions": {"image_size": row["image_size"]}}
        for row in front
    ]
    predicted = predictor.predict(specs, ["clean", SPEED])
    for name in ("clean", SPEED):
        assert predicted[name].value.tolist() == [row[name] for row in front]

    bounds = f"params<=30,{SPEED}>=1000"
    given = ["--conditions", "image_size=288,pretraining=image_text", "--constraints", bounds]
    assert run([*common, "--json", *given]) == 0, capsys.readouterr().err
    printed = json.loads(capsys.readouterr().out)
    assert 10 < printed["judged"] < 300
    for row in printed["front"]:
        assert (row["image_size"], row["pretraining"]) == (288, "image_text")
        assert row["params"] <= 30
        assert row[SPEED] >= 1000
    (tmp_path / "some.txt").write_text("resnet50\nresnet50@160\nresnet50@224\n")
    assert run([*common, "--json", "--archs", str(tmp_path / "some.txt")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["judged"] == 2
    assert [row["image_size"] for row in printed["front"]] == [224, 160]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("image_size=5000", "got image_size 5000; expected an integer from"),
        ("size=224", "got condition 'size'; expected one of image_size"),
        ("224", "expected NAME=VALUE"),
    ],
)
def test_bad_conditions(
    conditions: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bundle", REAL, "--out", str(tmp_path / "front.csv")]
    assert run(["search", *arguments, "--conditions", conditions]) == 2
    assert message in capsys.readouterr().err


BAD = [
    (["--objectives", "snow"], "unknown target 'snow'"),
    (["--objectives", ","], "got no objectives"),
    (["--max-params", "0.0001"], "expected wider ones"),
    (["--constraints", "clean>=99.5,params<=3"], "none of 3"),
    (["--constraints", "pgd_linf_1>=3"], "unknown target 'pgd_linf_1'; expected one of clean"),
    (["--constraints", "clean=3"], "expected NAME>=NUMBER"),
    (["--space", "darts"], "is for nasbench_macro"),
    (["--population", "3"], "expected 4 or more"),
    (["--interval", "1.5"], "interval level"),
    (["--archs", "nothing"], "expected all, sample:N or a file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=lambda value: str(value)[:30])
def test_bad_input(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "front.csv"
    assert run(["search", "--bundle", str(BUNDLE), "--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_a_form_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "--bundle", str(BUNDLE), "--out", "front.xlsx"]) == 2
    assert "expected a name that ends in" in capsys.readouterr().err
