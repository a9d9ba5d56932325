"""Features of many architectures: parallel, resumable, only what is missing."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from acorn.errors import InputError, InvalidArchitectureError, MismatchError
from acorn.features.extractor import get_extractor
from acorn.features.feature_table import FeatureTable
from acorn.features.recipe import FeatureRecipe
from acorn.spaces import get_space
from training.features import resumable_table
from training.features.compute import compute_features, select_architectures


def recipe(*proxies: str, batch_size: int = 2) -> FeatureRecipe:
    return FeatureRecipe.create("ImageNet16-120", proxies, batch_size=batch_size)


RECIPE = recipe("l2_norm", "params")
ARCHS = ["8:8:8:8:8", "8:8:8:8:16", "8:8:8:16:8"]


def test_rows_columns_and_resume(tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))

    compute_features(RECIPE, "nats_sss", ARCHS[:2], out, workers=1, on_progress=progress)
    assert calls == [(1, 2), (2, 2)]
    table = compute_features(RECIPE, "nats_sss", ARCHS, out, workers=1, on_progress=progress)
    assert calls[2:] == [(1, 1)]
    assert table.ids == FeatureTable.read(out).ids == sorted(f"nats_sss/{arch}" for arch in ARCHS)
    before = table.row("nats_sss/8:8:8:8:8")
    wider = recipe("snip", "params")
    table = compute_features(wider, "nats_sss", ARCHS, out, workers=1, on_progress=progress)
    after = table.row("nats_sss/8:8:8:8:8")
    assert before is not None
    assert after is not None
    assert after.values["snip"] is not None
    assert before.values.items() <= after.values.items()
    compute_features(wider, "nats_sss", ARCHS, out, workers=1, on_progress=progress)
    assert len(calls) == 6
    lock = ".features.parquet.lock"
    assert sorted(path.name for path in tmp_path.iterdir()) == [lock, "features.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("flush_seconds", [0.0, 1e9])
def test_rows_before_an_interruption_are_kept(
    flush_seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_table, "FLUSH_SECONDS", flush_seconds)
    out = tmp_path / "features.parquet"

    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_features(RECIPE, "nats_sss", ARCHS, out, workers=1, on_progress=interrupt)
    assert len(FeatureTable.read(out)) == 2
    calls: list[tuple[int, int]] = []
    table = compute_features(
        RECIPE, "nats_sss", ARCHS, out, workers=1, on_progress=lambda *now: calls.append(now)
    )
    assert calls == [(1, 1)]
    assert len(table) == 3


def test_parts_are_joined_and_only_what_they_lack_is_computed(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    for i, arch in enumerate(ARCHS[:2]):
        compute_features(RECIPE, "nats_sss", [arch], parts / f"{i}.parquet", workers=1)
    calls: list[tuple[int, int]] = []
    out = tmp_path / "all.parquet"
    table = compute_features(
        RECIPE,
        "nats_sss",
        ARCHS,
        out,
        workers=1,
        parts=[parts],
        on_progress=lambda *now: calls.append(now),
    )
    assert calls == [(1, 1)]
    at_once = compute_features(RECIPE, "nats_sss", ARCHS, tmp_path / "once.parquet", workers=1)
    assert table.frame.equals(at_once.frame)
    assert FeatureTable.read(out).frame.equals(at_once.frame)


def test_bad_parts_change_nothing(tmp_path: Path) -> None:
    good, other = tmp_path / "good.parquet", tmp_path / "other.parquet"
    compute_features(RECIPE, "nats_sss", ARCHS[:1], good, workers=1)
    compute_features(recipe("l2_norm", batch_size=3), "nats_sss", ARCHS[:1], other, workers=1)
    out = tmp_path / "out.parquet"
    with pytest.raises(MismatchError, match="batch_size is 3, expected 2"):
        compute_features(RECIPE, "nats_sss", ARCHS, out, workers=1, parts=[good, other])
    (tmp_path / "empty").mkdir()
    for name in ("missing.parquet", "empty"):
        with pytest.raises(InputError, match=f"{name} as a part; expected a feature table"):
            compute_features(RECIPE, "nats_sss", ARCHS, out, workers=1, parts=[tmp_path / name])
    assert not out.exists()


def test_a_recipe_is_checked_where_it_is_computed() -> None:
    settings = replace(RECIPE.settings, engine_version=RECIPE.settings.engine_version - 1)
    with pytest.raises(MismatchError, match="engine_version is"):
        get_extractor(FeatureRecipe(settings, RECIPE.names))
    same = recipe("params", "l2_norm")
    assert same == RECIPE
    assert same.key == RECIPE.key != recipe("params").key
    assert get_extractor(same) is get_extractor(RECIPE)


def test_a_table_of_other_settings_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    compute_features(RECIPE, "nats_sss", ARCHS[:1], out, workers=1)
    before = out.read_bytes()
    other = recipe("l2_norm", batch_size=3)
    with pytest.raises(MismatchError, match="batch_size is 2, expected 3"):
        compute_features(other, "nats_sss", ARCHS, out, workers=1)
    assert out.read_bytes() == before


@pytest.mark.slow
def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    both = recipe("snip", "synflow")
    one = compute_features(both, "nats_sss", ARCHS, tmp_path / "one.parquet", workers=1)
    two = compute_features(both, "nats_sss", ARCHS, tmp_path / "two.parquet", workers=2)
    assert one.frame.equals(two.frame)


def test_selection(tmp_path: Path) -> None:
    tss = get_space("nats_tss")
    assert len(select_architectures(tss, "all")) == 4_660
    some = select_architectures(tss, "sample:50")
    assert 1 < len(some) <= 50
    shards = [select_architectures(tss, "sample:50", shard=f"{i}/3") for i in (1, 2, 3)]
    assert sorted(itertools.chain.from_iterable(shards)) == some
    lines = tmp_path / "archs.txt"
    lines.write_text(f"{tss.example}\n\n{tss.example}\n")
    assert select_architectures(tss, str(lines)) == [tss.parse(tss.example).canonical]
    lines.write_text("nonsense\n")
    with pytest.raises(InvalidArchitectureError):
        select_architectures(tss, str(lines))


@pytest.mark.parametrize("archs", ["some", "sample:x", "sample:99999", "/no/such/file"])
def test_bad_selection(archs: str) -> None:
    with pytest.raises(InputError, match="got"):
        select_architectures(get_space("nats_tss"), archs)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x", "1/", "/2"])
def test_bad_shard(shard: str) -> None:
    with pytest.raises(InputError, match="expected i/n"):
        select_architectures(get_space("nats_tss"), "sample:5", shard=shard)


def test_unknown_backend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected local or ray"):
        compute_features(RECIPE, "nats_sss", ARCHS, tmp_path / "f.parquet", backend="slurm")


def test_ray(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the optional package ray")
    table = compute_features(
        RECIPE, "nats_sss", ARCHS, tmp_path / "f.parquet", workers=2, backend="ray"
    )
    ray.shutdown()
    local = compute_features(RECIPE, "nats_sss", ARCHS, tmp_path / "g.parquet", workers=1)
    assert table.frame.equals(local.frame)
