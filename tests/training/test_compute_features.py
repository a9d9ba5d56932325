"""Features of many architectures: parallel, resumable, only what is missing."""

import itertools
from pathlib import Path

import pytest

from acorn.errors import InputError, InvalidArchitectureError, MismatchError
from acorn.features.table import FeatureTable
from acorn.spaces import get_space
from training.features.compute import (
    Recipe,
    collect,
    compute_features,
    extractor,
    select_architectures,
)

SPACE = get_space("nats_sss")
RECIPE = Recipe("nats_sss", "ImageNet16-120", proxies=("l2_norm", "params"), batch_size=2)
ARCHS = ["8:8:8:8:8", "8:8:8:8:16", "8:8:8:16:8"]


def test_rows_columns_and_resume(tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))

    compute_features(RECIPE, ARCHS[:2], out, workers=1, on_progress=progress)
    assert calls == [(1, 2), (2, 2)]
    table = compute_features(RECIPE, ARCHS, out, workers=1, on_progress=progress)
    assert calls[2:] == [(1, 1)]
    assert table.ids == FeatureTable.read(out).ids == sorted(f"nats_sss/{arch}" for arch in ARCHS)
    before = table.row("nats_sss/8:8:8:8:8")
    wider = Recipe("nats_sss", "ImageNet16-120", proxies=("snip", "params"), batch_size=2)
    table = compute_features(wider, ARCHS, out, workers=1, on_progress=progress)
    after = table.row("nats_sss/8:8:8:8:8")
    assert before is not None
    assert after is not None
    assert after.values["snip"] is not None
    assert before.values.items() <= after.values.items()
    compute_features(wider, ARCHS, out, workers=1, on_progress=progress)
    assert len(calls) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


def test_parts_left_by_an_interruption_are_collected(tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    settings = extractor(RECIPE).settings
    row = extractor(RECIPE).compute(SPACE, ARCHS[0])
    parts = tmp_path / "features.parquet.parts"
    FeatureTable.from_rows([row], settings).write(parts / "000000-a.parquet")
    assert collect(out, settings).ids == [row.id]
    assert not parts.exists()


def test_a_table_of_other_settings_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    compute_features(RECIPE, ARCHS[:1], out, workers=1)
    before = out.read_bytes()
    other = Recipe("nats_sss", "ImageNet16-120", proxies=("l2_norm",), batch_size=3)
    with pytest.raises(MismatchError, match="batch_size is 2, expected 3"):
        compute_features(other, ARCHS, out, workers=1)
    assert out.read_bytes() == before


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    recipe = Recipe("nats_sss", "ImageNet16-120", proxies=("snip", "synflow"), batch_size=2)
    one = compute_features(recipe, ARCHS, tmp_path / "one.parquet", workers=1)
    two = compute_features(recipe, ARCHS, tmp_path / "two.parquet", workers=2)
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
        compute_features(RECIPE, ARCHS, tmp_path / "f.parquet", backend="slurm")


def test_ray(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the optional package ray")
    table = compute_features(RECIPE, ARCHS, tmp_path / "f.parquet", workers=2, backend="ray")
    ray.shutdown()
    local = compute_features(RECIPE, ARCHS, tmp_path / "g.parquet", workers=1)
    assert table.frame.equals(local.frame)
