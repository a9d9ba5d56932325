"""Feature rows and tables, and the extractor that fills them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from acorn.batches import embedded_batch
from acorn.datasets import get_dataset
from acorn.errors import InvalidTableError, MismatchError
from acorn.features.extractor import FeatureExtractor
from acorn.features.feature_table import FeatureRow, FeatureTable
from acorn.features.proxy_settings import ProxySettings
from acorn.spaces import get_space

SETTINGS = ProxySettings("cifar10", "made up", 2, "0" * 64, seed=0)
ROWS = [
    FeatureRow("s/b", {"x": 1.0, "y": None}, {"y": "not finite (nan)"}),
    FeatureRow("s/a", {"x": 2.0, "y": 3.0}, errors={"y": 0.5}),
]


def table() -> FeatureTable:
    return FeatureTable.from_rows(ROWS, SETTINGS)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "features.parquet"
    table().write(path)
    read = FeatureTable.read(path)
    assert read.settings == SETTINGS
    assert read.ids == ["s/a", "s/b"]
    assert read.row("s/b") == ROWS[0]
    assert read.row("s/a") == ROWS[1]
    assert read.feature_names == ["x", "y"]
    assert read.frame["errors"].to_list() == ['{"y": 0.5}', None]
    assert read.row("s/c") is None
    assert "s/a" in read
    assert [*tmp_path.rglob("*.tmp")] == []


def test_matrix_has_nan_for_null() -> None:
    matrix = table().matrix(["y", "x"])
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.array([[3, 2], [np.nan, 1]], np.float32))
    np.testing.assert_array_equal(table().matrix(["x"], ["s/a"]), [[2]])
    with pytest.raises(InvalidTableError, match="lacks 1 of 2 columns, z"):
        table().matrix(["x", "z"])
    with pytest.raises(InvalidTableError, match="no row for 's/c'"):
        table().matrix(["x"], ["s/c"])


def test_join_adds_columns_and_rows() -> None:
    more = [
        FeatureRow("s/a", {"z": 5.0}, errors={"z": 0.1}),
        FeatureRow("s/b", {"y": 4.0, "z": None}, {"z": "why"}),
        FeatureRow("s/c", {"x": 9.0}),
    ]
    joined = table().joined(FeatureTable.from_rows(more, SETTINGS))
    errors = {"y": 0.5, "z": 0.1}
    assert joined.row("s/a") == FeatureRow("s/a", {"x": 2.0, "y": 3.0, "z": 5.0}, errors=errors)
    assert joined.row("s/b") == FeatureRow("s/b", {"x": 1.0, "y": 4.0, "z": None}, {"z": "why"})
    assert len(joined) == 3


def errors_of(table: FeatureTable) -> dict[str, float]:
    row = table.row("s/a")
    assert row is not None
    return row.errors


def test_a_value_brings_its_own_error() -> None:
    other = FeatureTable.from_rows([FeatureRow("s/a", {"y": 4.0}, errors={"y": 0.2})], SETTINGS)
    assert errors_of(table().joined(other)) == {"y": 0.2}
    exact = FeatureTable.from_rows([FeatureRow("s/a", {"y": 4.0})], SETTINGS)
    assert errors_of(table().joined(exact)) == {}


def test_a_table_from_before_errors_has_none(tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    old = table()
    old.frame = old.frame.drop("errors")
    old.write(path)
    read = FeatureTable.read(path)
    assert read.feature_names == ["x", "y"]
    assert read.row("s/a") == FeatureRow("s/a", {"x": 2.0, "y": 3.0})
    assert errors_of(read.joined(table())) == {"y": 0.5}


def test_features_of_another_setting_are_refused() -> None:
    other = ProxySettings("cifar10", "made up", 2, "1" * 64, seed=0)
    with pytest.raises(MismatchError, match=r"batch_digest is '1+', expected '0+'"):
        table().joined(FeatureTable.from_rows(ROWS, other))
    assert other.digest != SETTINGS.digest


@pytest.mark.parametrize("content", [b"", b"PAR1 nonsense", None])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "f.parquet"
    if content is None:
        pl.DataFrame({"id": ["a"]}).write_parquet(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidTableError, match="is no feature table"):
        FeatureTable.read(path)
    with pytest.raises(InvalidTableError, match="no feature table at"):
        FeatureTable.read(tmp_path / "absent.parquet")


def test_extractor_gives_proxies_structure_and_columns() -> None:
    dataset = get_dataset("ImageNet16-120")
    space = get_space("nats_tss")
    canonical = space.parse(space.example).canonical
    extractor = FeatureExtractor(
        dataset, embedded_batch(dataset, size=4), proxies=["synflow", "params", "zen"]
    )
    row = extractor.compute(space, canonical)
    assert row.id == space.parse(space.example).id
    assert {"synflow", "params", "graph.log_params", "paths.count"} <= row.values.keys()
    assert row.reasons == {}
    assert row.errors.keys() == {"zen"}
    assert extractor.compute(space, canonical).values == row.values
    assert "synflow" not in extractor.compute(space, canonical, proxies=[]).values
    assert extractor.settings.batch_size == 4


def test_proxy_settings_survive_json() -> None:
    from dataclasses import asdict

    assert ProxySettings(**json.loads(json.dumps(asdict(SETTINGS)))) == SETTINGS
