"""The feature store: what it keeps, and that it never stands in the way."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from acorn.errors import InputError
from acorn.features.feature_table import FeatureRow
from acorn.features.proxy_settings import ProxySettings
from acorn.features.recipe import FeatureRecipe
from service.storage.cache import FeatureCache
from service.storage.database import Database
from service.storage.feature_store import FeatureStore
from service.storage.tables import STEPS

SETTINGS = ProxySettings("cifar10", "dead leaves", 64, "0" * 64, 0)
ROW = FeatureRow("space/a", {"x": 1.5, "y": None}, {"y": "it is infinite"}, 0.25, {"x": 0.1})

VERSIONS = [(version,) for version in range(1, len(STEPS) + 1)]


@pytest.fixture
def store(url: str) -> Iterator[FeatureStore]:
    store = FeatureStore(Database(url))
    yield store
    store.close()


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Do something to a database behind the store's back."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def test_what_is_put_is_found_with_its_nulls_and_reasons(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/b", "space/a"], "s") == {"space/a": ROW}


def test_other_settings_are_another_row(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "t") == {}


def test_a_row_put_again_gets_the_newer_values_and_keeps_the_others(store: FeatureStore) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    newer = FeatureRow("space/a", {"x": 2.0, "z": None}, {"z": "it is NaN"}, 1.0)
    store.put(newer, dataset="cifar10", settings="s")
    merged = FeatureRow(
        "space/a",
        {"x": 2.0, "y": None, "z": None},
        {"y": "it is infinite", "z": "it is NaN"},
        1.0,
    )
    assert store.get(["space/a"], "s") == {"space/a": merged}


def test_rows_outlive_the_store_object(url: str) -> None:
    first = FeatureStore(Database(url))
    first.put(ROW, dataset="cifar10", settings="s")
    first.close()
    again = FeatureStore(Database(url))
    assert again.get(["space/a"], "s") == {"space/a": ROW}
    again.close()


def test_more_ids_than_a_query_takes(store: FeatureStore) -> None:
    for i in range(0, 1_200, 300):
        store.put(FeatureRow(f"space/{i}", {"x": i}), dataset="cifar10", settings="s")
    found = store.get([f"space/{i}" for i in range(1_200)], "s")
    assert sorted(row.values["x"] or 0 for row in found.values()) == [0, 300, 600, 900]


def test_long_and_strange_ids(store: FeatureStore) -> None:
    ids = ["graph/" + "x" * 100_000, "graph/∀λ'\"; drop table features", "graph/\n"]
    for id_ in ids:
        store.put(FeatureRow(id_, {"x": 1.0}), dataset="cifar10", settings="s")
    assert sorted(store.get(ids, "s")) == sorted(ids)


def test_a_folder_that_cannot_be_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = FeatureStore(Database(f"sqlite:///{tmp_path / 'file' / 'features.sqlite'}"))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            store.put(ROW, dataset="cifar10", settings="s")
            assert store.get(["space/a"], "s") == {}
    assert "continuing without" in caplog.text
    assert store.failures == 2  # a write and a read; then it is left alone for a while


def test_a_file_that_is_no_database_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "features.sqlite").write_bytes(b"no database" * 1000)
    store = FeatureStore(Database(f"sqlite:///{tmp_path / 'features.sqlite'}"))
    with caplog.at_level(logging.WARNING):
        assert store.get(["space/a"], "s") == {}
    assert "not a database" in caplog.text


def test_a_damaged_row_counts_as_unknown_and_can_be_put_again(
    store: FeatureStore, url: str
) -> None:
    store.put(ROW, dataset="cifar10", settings="s")
    execute(url, """update features set "values" = '{"x": 1'""")
    assert store.get(["space/a"], "s") == {}
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "s") == {"space/a": ROW}


def test_what_a_database_cannot_hold_costs_that_row_only(
    store: FeatureStore, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(FeatureRow("graph/\0", {"x": 1.0}), dataset="cifar10", settings="s")
    assert store.failures == url.startswith("postgresql")  # which has no text with NUL
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "s") == {"space/a": ROW}


def test_a_read_only_database_can_be_read_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "features.sqlite"
    first = FeatureStore(Database(f"sqlite:///{path}"))
    first.put(ROW, dataset="cifar10", settings="s")
    store = FeatureStore(Database(f"sqlite:///file:{path}?mode=ro&uri=true"))
    store.put(ROW, dataset="cifar10", settings="t")
    assert "readonly database" in caplog.text
    assert store.failures == 1
    assert store.get(["space/a"], "s") == {"space/a": ROW}
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []  # the URI is no folder's
    store.close()
    first.close()


def test_a_database_of_the_first_release_gets_the_tables_of_today(url: str) -> None:
    first = FeatureStore(Database(url))
    first.put(ROW, dataset="cifar10", settings="s")
    first.close()
    for table in ("schema_version", "jobs", "job_parts", "job_results"):
        execute(url, f"drop table {table}")
    execute(url, "alter table features drop column errors")
    second = FeatureStore(Database(url))
    assert second.get(["space/a"], "s") == {"space/a": replace(ROW, errors={})}
    second.put(ROW, dataset="cifar10", settings="s")
    assert second.get(["space/a"], "s") == {"space/a": ROW}
    assert second.failures == 0
    second.close()
    assert execute(url, "select version from schema_version order by 1") == VERSIONS
    assert execute(url, "select count(*) from job_results") == [(0,)]


def test_a_database_of_a_later_release_is_used_as_it_is(url: str) -> None:
    first = FeatureStore(Database(url))
    assert first.get(["space/a"], "s") == {}
    first.close()
    execute(url, "insert into schema_version (version) values (99)")
    execute(url, "alter table features add column later integer")
    store = FeatureStore(Database(url))
    store.put(ROW, dataset="cifar10", settings="s")
    assert store.get(["space/a"], "s") == {"space/a": ROW}
    assert store.failures == 0
    store.close()


def test_servers_that_start_together_make_the_tables_once(url: str) -> None:
    stores = [FeatureStore(Database(url)) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda store: store.get(["space/a"], "s"), stores))
    assert [store.failures for store in stores] == [0] * 8
    assert execute(url, "select version from schema_version order by 1") == VERSIONS
    for store in stores:
        store.close()


def test_a_new_file_that_another_is_writing_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "features.sqlite"
    store = FeatureStore(Database(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # SQLite's own timeout does not wait for this one

        def let_go(_seconds: float) -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        monkeypatch.setattr("service.storage.database.time.sleep", let_go)
        store.put(ROW, dataset="cifar10", settings="s")
        assert not other.in_transaction
        assert store.get(["space/a"], "s") == {"space/a": ROW}
    assert store.failures == 0
    store.close()


def test_a_new_file_that_stays_locked_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.storage.database.LOCKED_SECONDS", 0)
    path = tmp_path / "features.sqlite"
    store = FeatureStore(Database(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.get(["space/a"], "s") == {}
    assert "database is locked" in caplog.text
    assert store.failures == 1
    store.close()


@pytest.mark.parametrize("url", ["no url", "nosuchdb://x", "mysql://user@host/db"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Database(url)
    assert "\n" not in str(caught.value)


def test_the_cache_finds_at_once_what_it_remembers_and_keeps_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        url = f"sqlite:///{tmp_path / 'features.sqlite'}"
        recipe = FeatureRecipe(SETTINGS, ("x", "y"))
        cache = FeatureCache(FeatureStore(Database(url)))
        assert await cache.find(["space/a"], recipe) == {}
        cache.remember(ROW, recipe)
        assert await cache.find(["space/a"], recipe) == {"space/a": ROW}
        cache.close()
        again = FeatureCache(FeatureStore(Database(url)))
        assert await again.find(["space/a", "space/b"], recipe) == {"space/a": ROW}
        wider = FeatureRecipe(SETTINGS, ("x", "y", "z"))
        assert await again.find(["space/a"], wider) == {}
        again.close()

    asyncio.run(scenario())


def test_the_cache_works_without_a_store_that_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "file").touch()
        recipe = FeatureRecipe(SETTINGS, ("x",))
        cache = FeatureCache(FeatureStore(Database(f"sqlite:///{tmp_path / 'file' / 'f.sqlite'}")))
        cache.remember(ROW, recipe)
        assert await cache.find(["space/a"], recipe) == {"space/a": ROW}
        cache.close()

    asyncio.run(scenario())


@pytest.fixture
def small_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeatureCache]:
    """A cache of a megabyte, without a store that works."""
    monkeypatch.setattr("service.storage.cache.KEPT_BYTES", 1_000_000)
    (tmp_path / "file").touch()
    cache = FeatureCache(FeatureStore(Database(f"sqlite:///{tmp_path / 'file' / 'f.sqlite'}")))
    yield cache
    cache.close()


RECIPE = FeatureRecipe(SETTINGS, ("x",))


def large_row(i: int, size: int = 100_000) -> FeatureRow:
    return FeatureRow(f"graph/{'x' * size}{i}", {"x": float(i)})


def found(cache: FeatureCache, rows: list[FeatureRow]) -> list[FeatureRow]:
    return [*asyncio.run(cache.find([row.id for row in rows], RECIPE)).values()]


def test_the_cache_is_bounded_in_bytes(small_cache: FeatureCache) -> None:
    rows = [large_row(i) for i in range(20)]
    for row in [*rows, rows[-1]]:
        small_cache.remember(row, RECIPE)
    assert found(small_cache, rows) == rows[-9:]


def test_a_row_that_was_read_lately_outlives_newer_ones(small_cache: FeatureCache) -> None:
    rows = [large_row(i) for i in range(12)]
    for row in rows[:9]:
        small_cache.remember(row, RECIPE)
    assert found(small_cache, rows[:2]) == rows[:2]
    for row in rows[9:]:
        small_cache.remember(row, RECIPE)
    assert found(small_cache, rows) == rows[:2] + rows[5:]


def test_a_row_larger_than_the_cache_displaces_no_other(small_cache: FeatureCache) -> None:
    rows = [large_row(0), large_row(1, size=1_000_000)]
    for row in rows:
        small_cache.remember(row, RECIPE)
    assert found(small_cache, rows) == rows[:1]
