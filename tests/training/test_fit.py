from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from acorn.errors import InputError, MismatchError, UnknownTargetError
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.forests import Bundle
from acorn.learning.fitting import Configuration
from acorn.learning.labels import Labels
from acorn.learning.splits import held_out
from acorn.learning.train import train_bundle
from acorn.spaces import get_space
from training.evaluation.evaluate import evaluate
from training.labels.reading import read_labels

SETTINGS = ProxySettings(
    dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
)
SMALL = Configuration(trees=12)


def features(ids: Iterable[str], settings: ProxySettings = SETTINGS) -> FeatureTable:
    """Counts of operations, one copy of them, one proxy, and one column of noise."""
    rows = []
    for id_ in ids:
        rng = np.random.default_rng(list(id_.encode()))
        counts = {f"cell.{op}": float(id_.count(op)) for op in ("3x3~", "1x1~", "skip", "none")}
        values = counts | {"cell.same": -counts["cell.3x3~"], "cell.noise": rng.normal()}
        rows.append(FeatureRow(id_, values | {"synflow": counts["cell.1x1~"] + rng.normal()}))
    return FeatureTable.from_rows(rows, settings)


@pytest.fixture(scope="module")
def cells() -> list[str]:
    return get_space("nats_tss").sample(700, seed=0)


@pytest.fixture(scope="module")
def labels(cells: list[str], tmp_path_factory: pytest.TempPathFactory) -> Labels:
    rng = np.random.default_rng(0)
    space = get_space("nats_tss")
    table = features(space.parse(cell).id for cell in cells).frame
    columns = dict(zip(table["id"], table.drop("reasons", "arch").iter_rows(), strict=False))
    rows = [columns[space.parse(cell).id] for cell in cells]
    strength = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    noise = rng.normal(size=(3, len(cells)))
    frame = pl.DataFrame(
        {
            "arch": cells,
            "cifar10.clean": 70 + 4 * strength[0] + strength[1] + noise[0],
            "cifar10.pgd_linf_1.0": 20 + 2 * strength[0] - 3 * strength[1] + 2 * noise[1],
            "cifar10.adv.clean": 40 + strength[0] + noise[2],
        }
    )
    unlabelled = pl.int_range(pl.len()) % 3 == 0
    frame = frame.with_columns(
        pl.when(unlabelled).then(None).otherwise("cifar10.adv.clean").alias("cifar10.adv.clean")
    )
    path = tmp_path_factory.mktemp("labels") / "labels.parquet"
    frame.write_parquet(path)
    return read_labels([str(path)], space="nats_tss", dataset="cifar10")


@pytest.fixture(scope="module")
def parts(labels: Labels) -> tuple[Labels, Labels]:
    out = held_out(labels.ids, fraction=0.3)
    ids = {id_ for id_, is_out in zip(labels.ids, out, strict=True) if is_out}
    return labels.only(set(labels.ids) - ids), labels.only(ids)


@pytest.fixture(scope="module")
def table(labels: Labels) -> FeatureTable:
    return features(sorted(set(labels.ids)))


@pytest.fixture(scope="module")
def bundle(
    parts: tuple[Labels, Labels],
    table: FeatureTable,
    tmp_path_factory: pytest.TempPathFactory,
    few_steps: None,
) -> Bundle:
    out = tmp_path_factory.mktemp("bundles") / "nats_tss-cifar10"
    train_bundle(parts[0], table, out, configuration=SMALL, n_jobs=1)
    return Bundle.load(out)


def test_the_bundle_knows_what_it_was_made_from(
    bundle: Bundle, parts: tuple[Labels, Labels], table: FeatureTable
) -> None:
    manifest = bundle.manifest
    assert bundle.targets == ("clean", "pgd_linf_1.0", "adv.clean")
    assert (bundle.name, bundle.space, bundle.dataset) == (
        "nats_tss-cifar10",
        "nats_tss",
        "cifar10",
    )
    assert manifest.labels == list(parts[0].sources)
    assert manifest.functions == len(set(parts[0].ids)) == len(bundle.training_set)
    assert bundle.settings == {**bundle.settings, "batch": "noise", "seed": 0}
    assert set(bundle.feature_names) <= set(table.feature_names)
    assert len(bundle.table) == len(table)
    assert {"numpy", "scikit-learn", "acorn", "python"} <= set(manifest.libraries)
    stages = [candidate.stage for candidate in manifest.candidates]
    assert stages.count("features") == 3  # its table has no columns but the space's
    assert stages.count("trees") == 5
    assert stages.count("composition") == 5


def test_what_was_chosen_is_among_what_was_tried(bundle: Bundle) -> None:
    chosen = {k: v for k, v in bundle.manifest.parameters.items() if k != "seed"}
    final = [c for c in bundle.manifest.candidates if c.stage == "composition"]
    best = max(final, key=lambda candidate: candidate.kendall_tau)
    assert best.parameters == chosen


def test_it_predicts_what_it_never_saw(bundle: Bundle, parts: tuple[Labels, Labels]) -> None:
    found = evaluate(bundle, parts[1]).result
    once = found["targets"]["clean"]["by_function"]
    assert once["n"] == len(set(parts[1].ids))
    assert found["targets"]["clean"]["all"]["n"] == len(parts[1].ids)
    assert once["kendall_tau"] > 0.7
    assert 0.82 < once["coverage"] < 0.97
    assert found["targets"]["adv.clean"]["all"]["n"] < len(parts[1].ids)  # a third has no label


def test_the_scores_of_cross_validation_are_those_of_new_functions(
    bundle: Bundle, parts: tuple[Labels, Labels]
) -> None:
    """They would be far better had any twin been on both sides."""
    found = evaluate(bundle, parts[1]).result["targets"]
    for target, scores in bundle.manifest.scores.items():
        new = found[target]["by_function"]
        assert scores["kendall_tau"] == pytest.approx(new["kendall_tau"], abs=0.08)
        assert scores["coverage"] == pytest.approx(0.9, abs=0.03)


def test_functions_of_training_are_left_out_and_counted(
    bundle: Bundle, labels: Labels, parts: tuple[Labels, Labels]
) -> None:
    found = evaluate(bundle, labels).result["forest"]
    assert found["rows"] == len(parts[1].ids)
    assert found["rows_seen_in_training"] == len(parts[0].ids)
    assert not found["seen_rows_included"]
    with pytest.raises(InputError, match="saw all of them in training"):
        evaluate(bundle, parts[0])
    seen = evaluate(bundle, parts[0], include_seen=True).result
    assert seen["forest"]["seen_rows_included"]
    assert seen["forest"]["rows"] == len(parts[0].ids)


def test_a_target_is_found_in_another_spelling(
    bundle: Bundle, parts: tuple[Labels, Labels]
) -> None:
    renamed = parts[1].frame.rename({"pgd_linf_1.0": "pgd_linf_1"})
    other = Labels(parts[1].space, parts[1].dataset, renamed, parts[1].sources)
    assert evaluate(bundle, other).result == evaluate(bundle, parts[1]).result
    frame = other.frame.select("id", "arch", pl.lit(1.0).alias("adv.pgd_linf_8"))
    with pytest.raises(InputError, match=r"got labels of adv\.pgd_linf_8; expected some of clean"):
        evaluate(bundle, Labels(other.space, other.dataset, frame, ()))


def test_labels_of_another_dataset_or_space_are_refused(
    bundle: Bundle, parts: tuple[Labels, Labels]
) -> None:
    for space, dataset in (("nats_tss", "cifar100"), ("nats_sss", "cifar10")):
        with pytest.raises(MismatchError, match="got labels of"):
            evaluate(bundle, Labels(space, dataset, parts[1].frame, ()))


@pytest.mark.slow
def test_rows_without_features_are_counted(
    parts: tuple[Labels, Labels], table: FeatureTable, bundle: Bundle, tmp_path: Path
) -> None:
    _, new = parts
    known = set(new.ids[: len(new.ids) // 2])
    kept = FeatureTable(bundle.table.frame.filter(~pl.col("id").is_in(known)), table.settings)
    small: dict[str, Any] = {"feature_set": "structure", "configuration": SMALL, "n_jobs": 1}
    poor = train_bundle(parts[0], kept, tmp_path / "poor", **small)
    without = evaluate(poor, new).result["forest"]
    assert without["rows_without_features"] == sum(id_ in known for id_ in new.ids)
    assert without["rows"] + without["rows_without_features"] == len(new.ids)
    assert evaluate(poor, new, features=table).result["forest"]["rows_without_features"] == 0
    nothing = FeatureTable(table.frame.filter(pl.col("id").is_in(parts[0].ids)), table.settings)
    blind = train_bundle(parts[0], nothing, tmp_path / "blind", **small)
    with pytest.raises(InputError, match="none has features"):
        evaluate(blind, new)


def test_features_of_other_settings_are_never_mixed(
    bundle: Bundle, parts: tuple[Labels, Labels], labels: Labels
) -> None:
    other = ProxySettings(
        dataset="cifar10", batch="noise", batch_size=4, batch_digest="0" * 64, seed=1
    )
    with pytest.raises(MismatchError, match="seed is 1, expected 0"):
        evaluate(bundle, parts[1], features=features(labels.ids[:5], other))


def test_importances_name_what_matters(bundle: Bundle) -> None:
    first = bundle.importances("clean")[0]
    assert first.feature in {"cell.3x3~", "cell.same"}  # the two say the same: one cluster
    assert first.importance > 0.3
    assert first.importance > 5 * first.std
    noise = {found.feature: found.importance for found in bundle.importances("clean")}
    assert abs(noise["cell.noise"]) < 0.1
    assert len({"cell.3x3~", "cell.same"} & set(noise)) == 1


def test_rows_of_training_are_in_the_domain(bundle: Bundle) -> None:
    X = bundle.table.matrix(bundle.feature_names)
    assert bundle.outliers(X)[0].mean() > 0.9
    assert not bundle.outliers(X[:1] + 50)[0].any()


@pytest.mark.slow
def test_the_same_input_gives_the_same_forests(
    bundle: Bundle, parts: tuple[Labels, Labels], table: FeatureTable, tmp_path: Path
) -> None:
    again = train_bundle(parts[0], table, tmp_path / "again", configuration=SMALL, n_jobs=2)
    for name, entry in bundle.manifest.files.items():
        if name != "MODEL_CARD.md":  # has the name and the date
            assert again.manifest.files[name] == entry, name


@pytest.mark.slow
def test_the_card_tells_scores_and_limits(
    few_steps: None, tmp_path: Path, parts: tuple[Labels, Labels], table: FeatureTable
) -> None:
    few = parts[0].only(set(parts[0].ids[:60]))
    train_bundle(
        few, table, tmp_path / "n", targets=["clean"], feature_set="proxies",
        configuration=SMALL, version="7", n_jobs=1,
    )  # fmt: skip
    card = (tmp_path / "n" / "MODEL_CARD.md").read_text()
    made = Bundle.load(tmp_path / "n")
    assert card.startswith("# n 7\n")
    assert f"{made.manifest.scores['clean']['kendall_tau']:.4g}" in card
    assert made.feature_names == ("synflow",)
    assert made.targets == ("clean",)


def test_what_cannot_be_trained_on(
    parts: tuple[Labels, Labels], table: FeatureTable, tmp_path: Path
) -> None:
    visible = parts[0]
    with pytest.raises(UnknownTargetError, match="fgsm"):
        train_bundle(visible, table, tmp_path / "x", targets=["fgsm_linf_1"])
    few = visible.only(set(visible.by_function().ids[:4]))
    with pytest.raises(InputError, match=r"got [34] architectures .*; expected 5 or more"):
        train_bundle(few, table, tmp_path / "x")
    few = visible.only(set(visible.by_function().ids[:19]))
    with pytest.raises(InputError, match=r"got 9 .*; expected 20 or more for model selection"):
        train_bundle(few, table, tmp_path / "x", configuration=SMALL)
    other = ProxySettings(
        dataset="cifar100", batch="noise", batch_size=4, batch_digest="0" * 64, seed=0
    )
    with pytest.raises(MismatchError, match="got features on cifar100; expected cifar10"):
        train_bundle(visible, features(visible.ids[:5], other), tmp_path / "x")
    assert not (tmp_path / "x").exists()
