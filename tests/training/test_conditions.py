"""Labels under conditions: from a label table to a bundle that reads conditions."""

import io
import math
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from acorn.batches import embedded_batch
from acorn.conditions import (
    Condition,
    category_columns,
    parse_conditions,
    read_conditions,
    resolve_conditions,
)
from acorn.datasets import get_dataset
from acorn.errors import BundleError, InputError
from acorn.features.extractor import FeatureExtractor
from acorn.features.feature_table import FeatureTable, row_id, split_row_id
from acorn.forests import Bundle
from acorn.forests.manifest import CONDITIONS_VERSION
from acorn.learning.composition import Composition
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.model_card import model_card
from acorn.learning.splits import group_folds
from acorn.learning.train import train_bundle
from acorn.learning.training_data import TrainingData
from acorn.spaces import get_space
from tests.conditions import ARCHS, NAME, SIZES, features, labels
from training.commands.main import run
from training.evaluation.evaluate import evaluate
from training.features.compute import select_architectures
from training.labels.reading import read_labels

read = partial(read_labels, space="graph", dataset="imagenet1k")

SIZE = Condition(name="image_size", kind="number", default=224, lower=96, upper=288, whole=True)
KIND = Condition(name="kind", kind="category", default="none", values=["more", "none"])


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return features()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    labels().write_csv(path)
    return path


@pytest.fixture(scope="module")
def bundle(conditional: Path) -> Bundle:
    return Bundle.load(conditional / "forests" / NAME)


def test_row_ids() -> None:
    assert row_id("timm/a", "imagenet1k") == row_id("timm/a", "imagenet1k", 224) == "timm/a"
    assert row_id("timm/a", "imagenet1k", 288) == "timm/a@288"
    assert row_id("timm/a", "cifar10", 224) == "timm/a@224"
    for key, split in {
        "timm/a@288": ("timm/a", 288),
        "a@288": ("a", 288),
        "timm/a": ("timm/a", None),
        "a@b@96": ("a@b", 96),
        "a@012": ("a@012", None),
    }.items():
        assert split_row_id(key) == split


def test_structure_features_are_traced_at_the_image_size() -> None:
    dataset, space = get_dataset("imagenet1k"), get_space("graph")
    extractor = FeatureExtractor(dataset, embedded_batch(dataset, size=2), proxies=[], device="cpu")
    usual, small = (extractor.compute(space, ARCHS[0], image_size=s) for s in (None, 96))
    assert (usual.id, small.id) == (f"graph/{ARCHS[0]}", f"graph/{ARCHS[0]}@96")
    assert usual.values["graph.log_params"] == small.values["graph.log_params"]
    sides = [math.sqrt(np.expm1(row.values["graph.log_activations"])) for row in (usual, small)]  # type: ignore[arg-type]
    assert sides[0] / sides[1] == pytest.approx(222 / 94, rel=0.02)
    with_weights = extractor.compute(space, ARCHS[0], proxies=["params"], image_size=96)
    assert small.values == {k: v for k, v in with_weights.values.items() if k != "params"}


def test_a_condition_of_numbers() -> None:
    condition = Condition.of("image_size", [224.0, 288.0, 288.0, 160.0], usual=224.0)
    assert (condition.default, condition.lower, condition.upper) == (224, 160, 288)
    assert condition.columns == ("condition.image_size",)
    assert condition.read(225) == condition.read(225.0) == 225
    assert condition.encode(225) == [225.0]
    for value in (159, 289, 224.5, "224", True, None, [224], float("nan")):
        with pytest.raises(InputError, match=r"got image_size .*; expected an integer from 160 to"):
            condition.read(value)
    assert Condition.of("rate", [0.5, 0.25, 0.25]).default == 0.25
    assert Condition.of("image_size", [288.0, 288.0, 160.0], usual=224.0).default == 288


def test_a_condition_of_categories() -> None:
    condition = Condition.of("recipe", ["b", "a", "b"])
    assert condition.default == "b"
    assert condition.columns == ("condition.recipe.a", "condition.recipe.b")
    assert condition.encode("b") == [0.0, 1.0]
    assert Condition.of("recipe", ["b", "a", "b"], default="a").default == "a"
    for value in ("c", 1, None):
        with pytest.raises(InputError, match=r"got recipe .*; expected one of a, b"):
            condition.read(value)


def test_an_optional_category() -> None:
    condition = Condition.of("recipe", ["b", "a", "b"], default="unknown")
    assert condition.is_optional
    assert condition.values == ["a", "b", "unknown"]
    assert not Condition.of("recipe", ["b", "a", "b"], default="a").is_optional
    columns = ["x", "condition.image_size", *condition.columns, *KIND.columns]
    assert category_columns(columns) == {"recipe": [2, 3, 4], "kind": [5, 6]}
    with pytest.raises(InputError, match=r"got size .unknown."):
        Condition.of("size", [1.0, 2.0], default="unknown")


def test_recipes_shift_predictions(table: FeatureTable, tmp_path: Path) -> None:
    """Rows of a recipe have 3 points more than those of the other, in all groups."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "arch": arch,
            "image_size": 96.0,
            "recipe": recipe,
            "family": str(number % 6),
            "imagenet1k.clean": 60 + number / 4 + shift + rng.normal(0, 0.2),
        }
        for number, arch in enumerate(ARCHS)
        for recipe, shift in (("new", 1.5), ("old", -1.5))
        if number % 3 or recipe == "new"
    ]
    path = tmp_path / "labels.csv"
    pl.DataFrame(rows).write_csv(path)
    known = read([str(path)], conditions=["image_size", "recipe=unknown"], groups="family")
    data = TrainingData.of(known, table)
    names = [f"condition.recipe.{value}" for value in ("new", "old", "unknown")]
    recipe = [data.names.index(name) for name in names]
    assert (data.X[:, recipe] == [0, 0, 1]).all()
    assert not set(recipe).intersection(*data.columns.values())
    assert set(data.with_levels()[:, recipe[0]]) == {0, 1}
    chosen = Configuration(
        features="structure", composition=Composition.SMOOTH, isotropic=True, trees=20
    )
    ensemble = data.fit(chosen, np.ones(len(data.ids), bool))
    value = {}
    for place, name in zip(recipe, ("new", "old", "unknown"), strict=True):
        X = data.X.copy()
        X[:, recipe], X[:, place] = 0, 1
        value[name] = ensemble.distribution(X, [0])[0]
    assert 2 < np.median(value["new"] - value["old"]) < 3.5
    assert ((value["old"] < value["unknown"]) & (value["unknown"] < value["new"])).all()


@pytest.mark.parametrize(
    ("name", "values", "default"),
    [
        ("recipe", [], None),
        ("recipe", ["a"], "b"),
        ("recipe", [str(i) for i in range(200)], None),
        ("epochs", [90.0], "100"),
        ("image_size", [224.5], None),
        ("image_size", ["large"], None),
        ("0", [1.0], None),
    ],
)
def test_columns_that_cannot_be_conditions(
    name: str, values: list[float | str], default: str | None
) -> None:
    with pytest.raises(InputError, match=r"condition|got .*; expected"):
        Condition.of(name, values, default=default)


def test_conditions_of_a_request() -> None:
    known = [SIZE, KIND]
    assert resolve_conditions(known) == {"image_size": 224, "kind": "none"}
    given = ({"kind": "more", "image_size": 96}, None, {"image_size": 128})
    assert resolve_conditions(known, *given) == {"image_size": 128, "kind": "more"}
    values, errors = read_conditions(known, {"image_size": 90, "kind": "none", "epochs": 1})
    assert values == {"kind": "none"}
    assert errors == {
        "image_size": "got image_size 90; expected an integer from 96 to 288",
        "epochs": "got condition 'epochs'; expected one of image_size, kind",
    }
    with pytest.raises(InputError, match="got condition 'kind'; expected no condition"):
        resolve_conditions([], {"kind": "none"})


def test_conditions_as_text() -> None:
    assert parse_conditions("image_size=288, kind=none,rate=.5,") == {
        "image_size": 288,
        "kind": "none",
        "rate": 0.5,
    }
    with pytest.raises(InputError, match="got condition 'kind'; expected NAME=VALUE"):
        parse_conditions("kind")


def test_groups_are_not_separated() -> None:
    groups = ["a"] * 50 + ["b"] * 20 + ["c"] * 20 + ["d"] * 10 + ["e"] * 5
    fold = group_folds(groups, n_folds=3)
    assert all(
        len({f for f, g in zip(fold, groups, strict=True) if g == name}) == 1 for name in "abcde"
    )
    assert sorted(np.bincount(fold)) == [25, 30, 50]
    assert np.array_equal(np.unique(group_folds(groups, n_folds=50)), range(5))
    with pytest.raises(InputError, match="expected several"):
        group_folds(["a", "a"], n_folds=2)


def test_labels_with_conditions(source: Path) -> None:
    known = read(
        [str(source)],
        conditions=["pretraining", "image_size"],
        groups="family",
    )
    assert known.targets == ["clean", "throughput.gpu"]
    assert [condition.name for condition in known.conditions] == ["pretraining", "image_size"]
    assert known.conditions[0].values == ["more", "none"]
    assert len(known.frame) == len(labels())
    assert {row["image_size"] for row in known.condition_values} == {*SIZES}
    assert len(known.by_function().frame) < len(known.frame)  # recipes are averaged
    assert len(set(known.groups or ())) > 5


def test_rows_without_a_condition_have_the_default(tmp_path: Path, source: Path) -> None:
    other = tmp_path / "speed.csv"
    labels().select("arch", "image_size", pl.lit(7.0).alias("imagenet1k.throughput.cpu")).unique(
        ["arch", "image_size"]
    ).write_csv(other)
    sources = [str(source), str(other)]
    known = read(sources, conditions=["image_size", "pretraining=more"])
    new = known.frame.filter(pl.col("throughput.cpu").is_not_null())
    assert set(new["condition.pretraining"]) == {"more"}
    assert new["clean"].is_null().all()


@pytest.mark.parametrize(
    ("conditions", "groups", "message"),
    [
        (["epochs"], None, "got no label table with a column 'epochs'"),
        (["image_size"], "breed", "got no label table with a column 'breed'"),
        ([SIZE.model_copy(update={"upper": 100.0})], None, "expected an integer from 96 to 100"),
        ([], None, "is there twice"),
    ],
)
def test_labels_that_are_refused(
    source: Path, conditions: list[str | Condition], groups: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read([str(source)], conditions=conditions, groups=groups)


def test_an_architecture_in_two_groups_is_refused(tmp_path: Path, table: FeatureTable) -> None:
    path = tmp_path / "labels.parquet"
    labels().with_columns(family=pl.col("pretraining")).write_parquet(path)
    known = read([str(path)], conditions=["image_size"], groups="family")
    with pytest.raises(InputError, match="in the groups 'more' and 'none'; expected one"):
        TrainingData.of(known, table)


def test_folds_keep_groups_and_architectures_together(source: Path, table: FeatureTable) -> None:
    def data(groups: str | None) -> TrainingData:
        known = read(
            [str(source)],
            conditions=["image_size"],
            groups=groups,
        )
        return TrainingData.of(known, table, ["clean"])

    grouped, plain = data("family"), data(None)
    assert grouped.row_groups is not None
    for known, keys in ((grouped, grouped.row_groups), (plain, plain.ids)):
        folds_of: dict[str, set[int]] = {}
        for key, fold in zip(keys, known.folds(5), strict=True):
            folds_of.setdefault(key, set()).add(fold)
        assert all(len(folds) == 1 for folds in folds_of.values())
        assert len(set.union(*folds_of.values())) == 5


def test_the_bundle_holds_its_conditions(bundle: Bundle) -> None:
    assert bundle.manifest.schema_version == CONDITIONS_VERSION
    size, pretraining = bundle.conditions
    assert (size.default, size.lower, size.upper, size.whole) == (224, 96, 224, True)
    assert (pretraining.default, pretraining.values) == ("none", ["more", "none"])
    names = ("condition.image_size", "condition.pretraining.more", "condition.pretraining.none")
    assert bundle.feature_names[-3:] == names
    assert bundle.network_features == bundle.feature_names[:-3]
    assert bundle.manifest.functions == len(ARCHS)
    ranking: dict[str, list[dict[str, object]]] = {target: [] for target in bundle.targets}
    card = model_card(bundle.manifest, ranking)
    assert "`pretraining` | category | none | one of more, none" in card
    assert {row.feature for row in bundle.importances("clean")} & {*names}


def test_predictions_depend_on_conditions(bundle: Bundle) -> None:
    id_ = f"graph/{ARCHS[3]}"

    def clean(**given: object) -> float:
        values = bundle.resolve(given)
        row = bundle.table.row(bundle.row_id(id_, values))
        assert row is not None
        X = bundle.matrix([row], [values])
        assert np.array_equal(X, bundle.table_matrix([row.id], [values]))
        return float(bundle.predict(X)["clean"].value[0])

    assert clean(pretraining="more") - clean() == pytest.approx(5, abs=2.5)
    assert clean() - clean(image_size=96) == pytest.approx(4, abs=2.5)
    default = bundle.matrix([bundle.table.row(id_)])  # type: ignore[list-item]
    assert np.array_equal(default, bundle.table_matrix([id_]))
    at_96 = bundle.table_matrix([f"{id_}@96"])
    assert at_96[0, bundle.feature_names.index("condition.image_size")] == 96


def test_evaluation_of_a_bundle_with_conditions(bundle: Bundle, source: Path) -> None:
    known = read([str(source)], conditions=bundle.conditions)
    result = evaluate(bundle, known, include_seen=True).result
    assert result["forest"]["rows"] == len(known.frame)
    assert result["targets"]["clean"]["all"]["kendall_tau"] > 0.7
    assert result["targets"]["clean"]["by_function"]["n"] == len(known.by_function().frame)
    other = known.frame.with_columns(pl.lit("web").alias("condition.pretraining"))
    with pytest.raises(InputError, match="expected one of more, none"):
        evaluate(bundle, replace(known, frame=other))


def test_a_manifest_of_other_columns_is_refused(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert manifest.from_bytes(manifest.to_bytes()) == manifest
    content = manifest.model_copy(update={"conditions": manifest.conditions[:1]}).to_bytes()
    with pytest.raises(BundleError, match="columns of conditions"):
        manifest.from_bytes(content)


def test_architectures_with_image_sizes(tmp_path: Path) -> None:
    space, path = get_space("nats_sss"), tmp_path / "archs.txt"
    path.write_text("8:8:8:8:8@288\n8:8:8:8:8@224\n8:8:8:8:8\n")
    wanted = ["8:8:8:8:8", "8:8:8:8:8@288"]
    assert select_architectures(space, str(path), dataset="imagenet1k") == wanted
    table = tmp_path / "labels.csv"
    table.write_text("arch,image_size\n8:8:8:8:8,288\n8:8:8:8:8,224\n")
    assert select_architectures(space, str(table), dataset="imagenet1k") == wanted


@pytest.mark.slow
def test_the_pipeline_of_the_command_line(
    tmp_path: Path, source: Path, table: FeatureTable
) -> None:
    path, out = tmp_path / "features.parquet", tmp_path / "graph-imagenet1k"
    table.write(path)
    common = ("--labels", str(source), "--json")
    _run(
        *("train", "--space", "graph", "--dataset", "imagenet1k", "--features", str(path)),
        *("--conditions", "image_size,pretraining=more", "--groups", "family"),
        *("--targets", "clean", "--out", str(out), *common),
    )
    assert [c.default for c in Bundle.load(out).conditions] == [224, "more"]
    assert '"rows"' in _run("evaluate", str(out), "--include-seen", *common)


def _run(*arguments: str) -> str:
    output = io.StringIO()
    with redirect_stdout(output):
        assert run(arguments) == 0
    return output.getvalue()


@pytest.fixture(scope="module")
def labels_of_speed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Labels, int]:
    """Labels whose speeds depend on the network and the size alone, and their number of rows."""
    accuracies = labels().drop("imagenet1k.throughput.gpu")
    speeds = accuracies.select("arch", "family", "image_size").unique(maintain_order=True)
    size = pl.col("image_size")
    speeds = speeds.with_columns((1e7 / (size * size)).alias("imagenet1k.throughput.gpu"))
    both = accuracies.join(speeds, on=["arch", "family", "image_size"])
    path = tmp_path_factory.mktemp("speeds") / "labels.parquet"
    both.write_parquet(path)
    known = read(
        [str(path)],
        conditions=["image_size", "pretraining=none"],
        groups="family",
    )
    return known, len(both)


def test_speeds_are_chosen_apart_and_count_once(
    labels_of_speed: tuple[Labels, int], table: FeatureTable
) -> None:
    known, rows = labels_of_speed
    accuracy, speed = TrainingData.of(known, table).by_scale()
    assert speed.targets == ["throughput.gpu"]
    assert "throughput.gpu" not in accuracy.targets
    assert len(accuracy.ids) == rows
    # Each network and size has a row for each kind of pretraining, and not for each recipe.
    assert len(speed.ids) == rows // 2
    assert len(speed.ids) == len(speed.row_groups or ()) == len(speed.Y)
    for part in (accuracy, speed):
        assert part.population is not None
        np.testing.assert_array_equal(part.population.X[part.population.place], part.X)
    assert len(speed.population.X) >= len(table)  # type: ignore[union-attr]


@pytest.mark.slow
def test_accuracies_and_speeds_have_parameters_of_their_own(
    labels_of_speed: tuple[Labels, int], table: FeatureTable, tmp_path: Path
) -> None:
    known, _ = labels_of_speed
    accuracy, speed = TrainingData.of(known, table).by_scale()
    start = Configuration(trees=20)
    bundle = train_bundle(known, table, tmp_path / "both", configuration=start, n_jobs=1)
    assert bundle.targets == (*accuracy.targets, *speed.targets)
    assert {name.partition(".")[0] for name in bundle.manifest.parameters} == {
        "linear",
        "log",
        "seed",
    }
    scores = bundle.manifest.scores["throughput.gpu"]
    assert scores["kendall_tau"] is not None
    assert scores["kendall_tau"] > 0.5
