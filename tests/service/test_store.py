"""The feature store: what it keeps, and that it never stands in the way."""

import asyncio
import logging
import sqlite3
from pathlib import Path

import pytest

from models.errors import InputError
from models.feature_table import FeatureRow
from models.proxy_settings import ProxySettings
from service.cache import FeatureCache
from service.features import FeatureRecipe
from service.store import FeatureStore

SETTINGS = ProxySettings("cifar10", "dead leaves", 64, "0" * 64, 0)
ROW = FeatureRow("space/a", {"x": 1.5, "y": None}, {"y": "it is infinite"}, 0.25)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(f"sqlite:///{tmp_path / 'new' / 'features.sqlite'}")


def test_what_is_put_is_found_with_its_nulls_and_reasons(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/b", "space/a"], "s") == {"space/a": ROW}


def test_other_settings_are_another_row(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "t") == {}


def test_a_row_put_again_is_replaced(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    newer = FeatureRow("space/a", {"x": 2.0}, {}, 1.0)
    store.put(newer, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "s") == {"space/a": newer}


def test_rows_outlive_the_store_object(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'features.sqlite'}"
    first = FeatureStore(url)
    first.put(ROW, dataset="cifar10", settings="s")
    first.close()
    assert FeatureStore(url).get(["space/a"], "s") == {"space/a": ROW}


def test_more_ids_than_a_query_takes(store: FeatureStore) -> None:
    for i in range(0, 1_200, 300):
        store.put(FeatureRow(f"space/{i}", {"x": i}), dataset="cifar10", settings="s")
    found = store.get([f"space/{i}" for i in range(1_200)], "s")
    assert sorted(row.values["x"] for row in found.values()) == [0, 300, 600, 900]


def test_long_and_strange_ids(store: FeatureStore) -> None:
    ids = ["graph/" + "x" * 100_000, "graph/∀λ'\"; drop table features", "graph/\n"]
    for id_ in ids:
        store.put(FeatureRow(id_, {"x": 1.0}), dataset="cifar10", settings="s")
    assert sorted(store.get(ids, "s")) == sorted(ids)


def test_a_folder_that_cannot_be_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = FeatureStore(f"sqlite:///{tmp_path / 'file' / 'features.sqlite'}")
    with caplog.at_level(logging.WARNING):
        store.put(ROW, dataset="cifar10", settings="s")
        assert store.get(["space/a"], "s") == {}
    assert "going on without" in caplog.text
    assert store.failures == 1  # then it is left alone for a while


def test_a_file_that_is_no_database_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"no database" * 1000)
    store = FeatureStore(f"sqlite:///{tmp_path / 'features.sqlite'}")
    with caplog.at_level(logging.WARNING):
        assert store.get(["space/a"], "s") == {}
    assert "not a database" in caplog.text


def test_a_damaged_row_counts_as_unknown_and_can_be_put_again(
    store: FeatureStore, tmp_path: Path
) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    with sqlite3.connect(tmp_path / "new" / "features.sqlite") as connection:
        connection.execute("""update features set "values" = '{"x": 1'""")
    connection.close()
    assert store.get(["space/a"], "s") == {}
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "s") == {"space/a": ROW}


@pytest.mark.parametrize("url", ["no url", "nosuchdb://x", "mysql://user@host/db"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InputError) as caught:
        FeatureStore(url)
    assert "\n" not in str(caught.value)


def test_the_cache_finds_at_once_what_it_remembers_and_keeps_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        url = f"sqlite:///{tmp_path / 'features.sqlite'}"
        recipe = FeatureRecipe(SETTINGS, ("x", "y"))
        cache = FeatureCache(FeatureStore(url))
        assert await cache.find(["space/a"], recipe) == {}
        cache.remember(ROW, recipe)
        assert await cache.find(["space/a"], recipe) == {"space/a": ROW}
        cache.close()
        again = FeatureCache(FeatureStore(url))
        assert await again.find(["space/a", "space/b"], recipe) == {"space/a": ROW}
        wider = FeatureRecipe(SETTINGS, ("x", "y", "z"))
        assert await again.find(["space/a"], wider) == {}
        again.close()

    asyncio.run(scenario())


def test_the_cache_works_without_a_store_that_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "file").touch()
        recipe = FeatureRecipe(SETTINGS, ("x",))
        cache = FeatureCache(FeatureStore(f"sqlite:///{tmp_path / 'file' / 'f.sqlite'}"))
        cache.remember(ROW, recipe)
        assert await cache.find(["space/a"], recipe) == {"space/a": ROW}
        cache.close()

    asyncio.run(scenario())
