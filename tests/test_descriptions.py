"""Titles and groups of feature columns, and contributions by group."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acorn.features.descriptions import MOST_GROUPS, OTHER, describe, group_contributions
from acorn.forests import Bundle
from acorn.proxies import list_proxies

RELEASED = Path(__file__).parents[1] / "models" / "released"
BUNDLES = sorted(path.parent.name for path in RELEASED.glob("*/manifest.json"))


@pytest.mark.parametrize("name", BUNDLES)
def test_columns_of_released_bundles_have_titles_and_groups(name: str) -> None:
    names = json.loads((RELEASED / name / "manifest.json").read_text())["features"]
    described = [describe(column) for column in names]
    assert {column.group for column in described}.isdisjoint({"Choices of the architecture"})
    for column, name_of_column in zip(described, names, strict=True):
        assert column.text
        assert "graph." not in column.title
        assert "." not in name_of_column or column.title != name_of_column
    titles = Counter((column.title, column.text) for column in described)
    assert titles.most_common(1)[0][1] == 1


def test_every_proxy_has_a_group() -> None:
    groups = {describe(name).group for name in list_proxies() if not name.startswith("evolved_")}
    assert groups == {"Size", "Activation proxies", "Gradient proxies"}


def test_a_proxy_has_the_sentence_of_its_module() -> None:
    assert describe("synflow").text == "Synaptic flow."
    texts = [describe(name).text for name in list_proxies() if not name.startswith("evolved_")]
    assert all(text[0].isupper() and text[-1] == "." for text in texts)


def test_unknown_columns_keep_their_names() -> None:
    assert describe("my_space.width").title == "my_space.width"
    assert describe("my_space.width").group == "Choices of the architecture"
    assert describe("my_proxy").group == "Other proxies"


def test_groups_add_up_and_are_few() -> None:
    names = ["params", "flops", "synflow", "nwot", "my_space.a", "condition.epochs"]
    names += [f"graph.{name}" for name in ("nodes", "width_min", "joins", "cost_intensity")]
    names += ["graph.field_mean", "graph.count_norm", "graph.downsampling"]
    values = np.arange(1.0, len(names) + 1) * np.where(np.arange(len(names)) % 2, -1, 1)
    groups = group_contributions(names, values)
    assert len(groups) == MOST_GROUPS
    assert groups[-1][0] == OTHER
    assert sum(value for _, value in groups) == pytest.approx(values.sum())
    assert dict(group_contributions(names[:2], np.array([1.0, 2.0]))) == {"Size": 3.0}
    assert group_contributions(names[:2], np.array([1.0, -1.0])) == [("Size", 0.0)]
    assert group_contributions(["params"], np.zeros(1)) == []


@pytest.mark.parametrize("name", ["nats_tss-cifar10", "universal-imagenet1k"])
def test_the_rest_is_a_small_part(name: str) -> None:
    bundle = Bundle.load(RELEASED / name)
    X = bundle.table_matrix(bundle.table.ids[:200:10])
    attribution = bundle.attributions(X, targets=["clean"], method="path")["clean"]
    for values in attribution.contributions:
        groups = dict(group_contributions(bundle.feature_names, values))
        assert len(groups) <= MOST_GROUPS
        rest = groups.get(OTHER, 0.0)
        assert abs(rest) < 0.2 * sum(abs(value) for value in groups.values())
