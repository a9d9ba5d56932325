import bz2
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from acorn.errors import InvalidTableError
from acorn.spaces import get_space
from tests.training import benchmark_files as files
from tests.training.benchmark_files import CELLS, SEEDS, SIZES, TIMM, accuracy
from training.commands.main import run
from training.labels.importers import (
    import_hw_nas_bench,
    import_nas_robbench,
    import_nasbench301,
    import_nats_bench,
    import_suite_zero,
    import_timm,
)
from training.labels.importers.nasbench301 import MOST_BYTES
from training.labels.importers.timm_results import device_name
from training.labels.reading import read_labels


class Hostile:
    """Its pickle calls a function when it is loaded."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.witness,)


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    return files.write_nats_bench(tmp_path / "NATS-tss-v1_0-0-simple", CELLS, ("12", "200"))


def mean_accuracy(index: int, epochs: int, dataset: str, test_set: str) -> float:
    values = [accuracy(index, epochs, seed, dataset, test_set) for seed in SEEDS]
    return sum(values) / len(values)


@pytest.mark.parametrize("epochs", [None, 12])
def test_nats_bench(topology: Path, epochs: int | None) -> None:
    seen: list[tuple[int, int]] = []
    table = import_nats_bench(
        topology, epochs=epochs, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert table["arch"].to_list() == CELLS
    test_sets = {"cifar10": "ori-test", "cifar100": "x-test", "ImageNet16-120": "x-test"}
    for dataset, test_set in test_sets.items():
        expected = [mean_accuracy(index, epochs or 200, dataset, test_set) for index in range(3)]
        assert table[f"{dataset}.clean"].to_list() == pytest.approx(expected)
    labels = topology.parent / "labels.parquet"
    table.write_parquet(labels)
    assert len(read_labels([str(labels)], space="nats_tss", dataset="cifar10").frame) == 3


def test_nats_bench_of_sizes_of_which_a_record_is_missing(tmp_path: Path) -> None:
    folder = files.write_nats_bench(tmp_path / "NATS-sss-v1_0-0-simple", SIZES, ("01", "12", "90"))
    (folder / "000001.pickle.pbz2").unlink()
    table = import_nats_bench(folder)
    assert table["arch"].to_list() == [SIZES[0], SIZES[2]]
    assert table["index"].to_list() == [0, 2]
    assert table["cifar100.clean"][1] == mean_accuracy(2, 90, "cifar100", "x-test")
    assert import_nats_bench(folder, epochs=1)["cifar10.clean"][0] == mean_accuracy(
        0, 1, "cifar10", "ori-test"
    )


def test_the_package_nats_bench_reads_the_files_of_these_tests_alike(topology: Path) -> None:
    nats_bench = pytest.importorskip("nats_bench")
    api = nats_bench.create(str(topology), "tss", fast_mode=True, verbose=False)
    table = import_nats_bench(topology)
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        theirs = [
            api.get_more_info(index, dataset, hp="200", is_random=False)["test-accuracy"]
            for index in range(3)
        ]
        assert table[f"{dataset}.clean"].to_list() == pytest.approx(theirs)


def test_records_are_read_one_after_the_other(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        folder = files.write_nats_bench(tmp_path / str(n), [f"arch {i}" for i in range(n)], ("90",))
        tracemalloc.start()
        import_nats_bench(folder)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(24) < 1.5 * peak(4)


@pytest.mark.parametrize("name", ["meta.pickle.pbz2", "000001.pickle.pbz2"])
@pytest.mark.parametrize("damage", ["cut", "cut inside", "other", "hostile", "absent"])
def test_damaged_and_hostile_records_are_named(topology: Path, name: str, damage: str) -> None:
    path, witness = topology / name, topology / "ran"
    content = path.read_bytes()
    expected = {"hostile": r"refused: it asks for pathlib.*expected plain containers and numbers"}
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "cut inside":
        path.write_bytes(bz2.compress(bz2.decompress(content)[:-20]))
    elif damage == "other":
        files.save(path, {"200": [1, 2]})
        expected["other"] = "is malformed"
    elif damage == "hostile":
        files.save(path, {"meta_archs": Hostile(witness), "200": Hostile(witness)})
    else:
        path.unlink()
        expected["absent"] = "there is no"
        if name.startswith("0"):
            return  # a directory may be incomplete
    with pytest.raises(
        InvalidTableError, match=expected.get(damage, "truncated or no pickle")
    ) as e:
        import_nats_bench(topology)
    assert name in str(e.value)
    assert "\n" not in str(e.value)
    assert not witness.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(topology: Path, protocol: int) -> None:
    meta = pickle.dumps({"meta_archs": CELLS, "evaluated_indexes": {0, 1, 2}}, protocol)
    (topology / "meta.pickle.pbz2").write_bytes(bz2.compress(meta))
    assert len(import_nats_bench(topology)) == 3


@pytest.mark.parametrize(
    "code",
    [b"cos\nsystem\n(S'x'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"\x80\x04\x95.", b"", b"PK"],
)
def test_hand_written_pickles(topology: Path, code: bytes) -> None:
    (topology / "meta.pickle.pbz2").write_bytes(bz2.compress(code))
    with pytest.raises(InvalidTableError, match=r"meta\.pickle\.pbz2 is (refused|truncated)"):
        import_nats_bench(topology)


def test_a_folder_without_records_or_of_another_space(topology: Path) -> None:
    with pytest.raises(InvalidTableError, match="expected one of 12, 200"):
        import_nats_bench(topology, epochs=90)
    (topology / "000002.pickle.pbz2").rename(topology / "000003.pickle.pbz2")
    with pytest.raises(InvalidTableError, match="of at most 3 architectures"):
        import_nats_bench(topology)
    for path in topology.glob("0*"):
        path.unlink()
    with pytest.raises(InvalidTableError, match="got no record"):
        import_nats_bench(topology)


def test_nas_robbench(tmp_path: Path) -> None:
    path = files.write_nas_robbench(tmp_path)
    table = import_nas_robbench(path)
    assert table.select("arch", pl.col("^cifar10.*$")).to_dict(as_series=False) == {
        "arch": CELLS,
        "cifar10.clean": [81.0] * 3,
        "cifar10.fgsm_linf_3": [55.0] * 3,
        "cifar10.pgd_linf_8": [25.0] * 3,
        "cifar10.autoattack_linf_8": [20.0, 30.0, 20.0],
    }
    assert "ImageNet16-120.clean" in table.columns
    assert import_nas_robbench(tmp_path).equals(table)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InvalidTableError, match="expected one JSON file"):
        import_nas_robbench(tmp_path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('{"cifar10": {"0": {"val_acc"', "malformed: JSONDecodeError"),
        ('{"cifar10": [1]}', "malformed"),
        ('{"cifar10": {"0": {"val_acc": {"1": 71.0}}}}', "expected a share"),
        ('{"cifar10": {"0": {"val_acc": {"1": "0.7"}}}}', "malformed"),
        ("{}", "expected accuracies of datasets"),
    ],
)
def test_broken_nas_robbench_files_are_named(tmp_path: Path, content: str, match: str) -> None:
    path = files.write_nas_robbench(tmp_path)
    path.write_text(content)
    with pytest.raises(InvalidTableError, match=match) as error:
        import_nas_robbench(path)
    assert path.name in str(error.value)
    (tmp_path / "meta.json").unlink()
    with pytest.raises(InvalidTableError, match=r"there is no .*meta\.json"):
        import_nas_robbench(path)


def test_suite_zero(tmp_path: Path) -> None:
    table = import_suite_zero(files.write_suite_zero(tmp_path / "zc_nasbench201.json"))
    assert table.to_dict(as_series=False) == {
        "arch": [
            "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|",
            CELLS[1],
        ],
        "cifar10.clean": [80.0, 81.0],
        "cifar10.synflow": [44.5, 45.5],
        "cifar10.grasp": [None, None],
        "ImageNet16-120.clean": [40.0, 41.0],
        "ImageNet16-120.synflow": [44.5, 45.5],
        "ImageNet16-120.grasp": [None, None],
    }


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('{"cifar10": {"(4, 0', "malformed: JSONDecodeError"),
        ('{"cifar10": {"x": {"synflow": {"score": 1.0}}}}', "malformed: KeyError"),
        ('{"cifar10": {"x": {"val_accuracy": 0.5}}}', "expected percent"),
        ('{"cifar10": {}}', "has no architectures"),
        ("[]", "malformed"),
    ],
)
def test_broken_suite_zero_files_are_named(tmp_path: Path, content: str, match: str) -> None:
    path = tmp_path / "zc.json"
    path.write_text(content)
    with pytest.raises(InvalidTableError, match=match) as error:
        import_suite_zero(path)
    assert "zc.json" in str(error.value)


def test_hw_nas_bench(tmp_path: Path) -> None:
    table = import_hw_nas_bench(files.write_hw_nas_bench(tmp_path / "hw.pickle"))
    assert table.select("arch", pl.col("^cifar10[.].*$")).to_dict(as_series=False) == {
        "arch": CELLS,
        "cifar10.latency.edgegpu": [5.8, 6.5, 2.4],
        "cifar10.latency.edgetpu": [0.9, None, None],  # -1: the device cannot run it
        "cifar10.energy.fpga": [18.0, 37.2, 10.8],
        "cifar10.arithmetic_intensity.eyeriss": [6.3, 20.9, 4.6],
    }
    assert "cifar100.latency.edgegpu" in table.columns
    path = tmp_path / "hw.csv"
    pl.DataFrame(
        {"arch": CELLS, "cifar10.edgetpu_latency": [0.9, -1, -1], "cifar10.fpga_energy": [1, 2, 3]}
    ).write_csv(path)
    assert import_hw_nas_bench(path).to_dict(as_series=False) == {
        "arch": CELLS,
        "cifar10.latency.edgetpu": [0.9, None, None],
        "cifar10.energy.fpga": [1.0, 2.0, 3.0],
    }


def test_broken_hardware_files_are_named(tmp_path: Path) -> None:
    path = files.write_hw_nas_bench(tmp_path / "hw.pickle")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidTableError, match=r"hw\.pickle is truncated"):
        import_hw_nas_bench(path)
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "ran")))
    with pytest.raises(InvalidTableError, match=r"hw\.pickle is refused"):
        import_hw_nas_bench(path)
    assert not (tmp_path / "ran").exists()
    table = tmp_path / "hw.csv"
    table.write_text("arch,cifar10.fpga_latency\nx,-2\ny,3\n")
    with pytest.raises(InvalidTableError, match="expected ms, above 0"):
        import_hw_nas_bench(table)
    table.write_text("arch,cifar10.clean\nx,2\n")
    with pytest.raises(InvalidTableError, match="expected columns <dataset>"):
        import_hw_nas_bench(table)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return files.write_timm(tmp_path / "results")


def test_timm(results: Path) -> None:
    table = import_timm(results)
    rows = {(row["arch"], row["recipe"], row["image_size"]): row for row in table.to_dicts()}
    assert len(rows) == len(table) == 6
    assert [name for name in table.columns if name.startswith("imagenet1k.")] == [
        "imagenet1k.clean",
        "imagenet1k.imagenet_a",
        "imagenet1k.throughput.i9_10940x_fp32",
        "imagenet1k.throughput.rtx3090_amp_nhwc",
        "imagenet1k.throughput.rtx4090_amp",
    ]
    a1 = rows["resnet18", "a1_in1k", 224]
    assert (a1["imagenet1k.clean"], a1["imagenet1k.imagenet_a"]) == (71.25, 1.25)
    assert (a1["params"], a1["gmacs"], a1["pretraining"], a1["crop_pct"]) == (
        11.69, 1.82, "none", 0.95,
    )  # fmt: skip
    # Speeds belong to the network and the size, and the newest PyTorch's file counts.
    swsl = rows["resnet18", "fb_swsl_ig1b_ft_in1k", 224]
    for row in (a1, swsl):
        assert row["imagenet1k.throughput.rtx4090_amp"] == 9000.5
        assert row["imagenet1k.throughput.i9_10940x_fp32"] == 300.0
    large = rows["resnet18", "a1_in1k", 288]
    assert large["imagenet1k.throughput.rtx3090_amp_nhwc"] == 4000.0
    assert large["imagenet1k.throughput.rtx4090_amp"] is None
    assert swsl["pretraining"] == "web_scale"  # by its tag: the metadata is of other weights
    giant = rows["giant_patch14_560", "m30m_ft_in22k_in1k", 560]
    assert (giant["params"], giant["pretraining"]) == (1014.45, "image_text")
    assert rows["tf_mobilenetv3_small_100", "in1k", 224]["pretraining"] == "distilled"
    fast = rows["levit_128", None, 224]
    assert (fast["imagenet1k.clean"], fast["pretraining"], fast["params"]) == (None, None, 9.21)
    assert fast["imagenet1k.throughput.rtx4090_amp"] == 12000.0
    if "timm" not in sys.modules:
        assert (a1["family"], fast["family"]) == ("resnet", "levit")
    assert rows["tf_mobilenetv3_small_100", "in1k", 224]["family"] == "mobilenetv"


def test_timm_with_the_registry_of_timm(results: Path) -> None:
    pytest.importorskip("timm")
    families = dict(import_timm(results).select("arch", "family").rows())
    assert families["tf_mobilenetv3_small_100"] == "mobilenetv3"
    assert families["giant_patch14_560"] == "giant"  # no network of timm


def test_timm_with_speeds_or_accuracies_alone(results: Path) -> None:
    for path in results.glob("results-*"):
        path.unlink()
    speeds = import_timm(results)
    assert speeds["arch"].to_list() == ["levit_128", "resnet18", "resnet18"]
    assert speeds["recipe"].null_count() == 3
    for path in results.glob("benchmark-infer-*"):
        path.unlink()
    with pytest.raises(InvalidTableError, match=r"expected results-imagenet\.csv or benchmark"):
        import_timm(results)
    (results / "results-sketch.csv").write_text("model,img_size,top1\nresnet18,224,20.5\n")
    table = import_timm(results)
    assert table.row(0, named=True) == {
        "arch": "resnet18", "family": "resnet", "recipe": None, "pretraining": "none",
        "image_size": 224, "imagenet1k.sketch": 20.5,
    }  # fmt: skip


def test_timm_tables_are_read_with_conditions(results: Path) -> None:
    table = import_timm(results)
    table.write_parquet(results / "labels.parquet")
    get_space("timm").recognise(table["arch"].unique())  # so that timm itself is not needed
    labels = read_labels(
        [str(results / "labels.parquet")],
        space="timm",
        dataset="imagenet1k",
        conditions=["image_size", "pretraining"],
    )
    assert len(labels.frame) == len(table)
    assert {*labels.targets} == {
        name.removeprefix("imagenet1k.") for name in table.columns if name.startswith("imagenet1k")
    }


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("results-imagenet.csv", "model,img_size,top1\na.b,224,70.0\nc.d,22\n", "row 2 is"),
        ("results-imagenet.csv", "model,img_size,top1\na.b,224,x\n", "expected percent"),
        ("results-imagenet.csv", "model,img_size,top1\na.b,224,170\n", "percent, 0 to 100"),
        ("results-imagenet.csv", "model,img_size,top1\na,wide,70\n", "expected pixels"),
        ("results-imagenet.csv", "model,img_size\na,224\n", "no column top1"),
        ("results-imagenet.csv", "", "results-imagenet.csv"),
        ("results-imagenet-a.csv", "model,img_size,top1\na,224,7\na,224,7\n", "there twice"),
        (
            "benchmark-infer-amp-nchw-pt291-cu128-4090.csv",
            "model,infer_samples_per_sec,infer_img_size\na,0,224\n",
            "images/s, above 0",
        ),
        ("benchmark-infer-fast.csv", "model\na\n", "expected benchmark-infer-<precision>"),
        ("model_metadata-in1k.csv", "name\na\n", "no columns model and pretrain"),
    ],
)
def test_broken_timm_files_are_named(results: Path, name: str, content: str, match: str) -> None:
    (results / name).write_text(content)
    with pytest.raises(InvalidTableError, match=match) as error:
        import_timm(results)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_timm_file_cut_inside_a_line_is_refused(results: Path) -> None:
    content = TIMM["results-imagenet-a.csv"]
    path = results / "results-imagenet-a.csv"
    for end in range(3, len(content), 17):
        path.write_text(content[:end])
        with pytest.raises(InvalidTableError, match=r"results-imagenet-a\.csv"):
            import_timm(results)
    path.write_text(content[: content.index("\nresnet18") + 1])
    assert import_timm(results)["imagenet1k.imagenet_a"].count() == 1


@pytest.mark.parametrize(
    ("file", "device"),
    [
        ("benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv", "rtx3090_amp"),
        ("benchmark-infer-amp-nchw-pt291-cu130-5090.csv", "rtx5090_amp"),
        ("benchmark-infer-amp-nchw-pt291-cu130-5090-dynamo.csv", "rtx5090_amp_dynamo"),
        ("benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv", "rtx4090_amp_nhwc"),
        ("benchmark-infer-fp32-nchw-pt240-cpu-i7_12700h-dynamo.csv", "i7_12700h_fp32"),
        (
            "benchmark-infer-bf16-nchw-pt291-cu130-pro6000maxq-dynamo.csv",
            "pro6000maxq_bf16_dynamo",
        ),
    ],
)
def test_devices(file: str, device: str) -> None:
    assert device_name(file) == device


def test_categories_of_the_published_tags(shared: Path, tmp_path: Path) -> None:
    published = pl.read_parquet(shared / "benchmarks" / "imagenet_timm.parquet")
    model = published["arch"] + "." + published["recipe"]
    columns = {"model": model, "img_size": published["image_size"]}
    rows = pl.DataFrame(columns | {"top1": published["imagenet1k.clean"]})
    rows.write_csv(tmp_path / "results-imagenet.csv")
    table = import_timm(tmp_path)
    keys = ["arch", "recipe", "image_size"]
    both = table.join(published, on=keys, suffix=" published")
    assert len(both) == len(table) == len(published)
    assert both["imagenet1k.clean"].equals(both["imagenet1k.clean published"])
    same = (both["pretraining"] == both["pretraining published"]).sum()
    assert same > 0.99 * len(both)


@pytest.mark.parametrize(
    ("command", "write", "columns"),
    [
        ("timm", files.write_timm, "imagenet1k.clean"),
        ("nas-robbench", files.write_nas_robbench, "cifar10.clean"),
        ("suite-zero", lambda folder: files.write_suite_zero(folder / "zc.json"), "cifar10.clean"),
        (
            "hw-nas-bench",
            lambda folder: files.write_hw_nas_bench(folder / "hw.pickle"),
            "cifar10.latency.edgegpu",
        ),
        (
            "nats-bench",
            lambda folder: files.write_nats_bench(folder / "tss", CELLS, ("12", "200")),
            "cifar10.clean",
        ),
    ],
)
def test_commands(
    tmp_path: Path, capsys: Any, command: str, write: Callable[[Path], object], columns: str
) -> None:
    out = tmp_path / "labels.parquet"
    assert run(["import", command, str(write(tmp_path)), "--out", str(out), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["rows"] == len(pl.read_parquet(out))
    assert columns in done["columns"]
    assert run(["import", command, str(tmp_path / "absent"), "--out", str(out)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nasbench301(tmp_path: Path) -> None:
    folder = files.write_nasbench301(tmp_path / "nb_301_v13")
    seen: list[tuple[int, int]] = []
    table = import_nasbench301(folder, on_progress=lambda *now: seen.append(now))
    assert seen == [(1, 2), (2, 2)]
    assert table["optimizer"].to_list() == ["darts", "rs"]
    space = get_space("darts")
    expected = [space.parse(genotype).canonical for genotype in reversed(files.GENOTYPES)]
    assert [space.parse(arch).canonical for arch in table["arch"]] == expected
    assert table["cifar10.clean"].to_list() == [91.25, 90.25]
    assert table["cifar10.val_accuracy"].to_list() == [92.5, 91.5]
    assert table["epochs"].to_list() == [98, 98]
    assert (table["layers"][0], table["init_channels"][0]) == (8, 32)
    out = tmp_path / "labels.parquet"
    assert run(["import", "nasbench301", str(folder), "--out", str(out)]) == 0
    labels = read_labels([str(out)], space="darts", dataset="cifar10")
    assert [*labels.targets] == ["clean"]
    assert len(labels.frame) == 2
    one = import_nasbench301(folder / "rs" / "results_0.json")
    assert one.to_dicts() == table[1:].to_dicts()


Change = Callable[[dict[str, Any]], object]
CONFIG = "optimized_hyperparamater_config"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.pop("test_accuracy"), "test_accuracy"),
        (lambda run: run.update(test_accuracy=True), "got an accuracy of True"),
        (lambda run: run.update(test_accuracy=[90]), r"got an accuracy of \[90\]"),
        (lambda run: run.update(test_accuracy=-1), "got an accuracy of -1"),
        (lambda run: run.update(info=7), "malformed"),
        (lambda run: run.pop(CONFIG), "expected one"),
        (lambda run: run[CONFIG].pop(f"{files.DARTS}edge_normal_0"), "edge_normal_0"),
        (lambda run: run[CONFIG].update({f"{files.DARTS}edge_reduce_1": "os()"}), "expected"),
        (
            lambda run: run[CONFIG].update({f"{files.DARTS}inputs_node_normal_4": "3_9"}),
            "got inputs '3_9' of node 4",
        ),
        (lambda run: run[CONFIG].update({f"{files.DARTS}layers": 1e30}), "expected a number of"),
    ],
)
def test_malformed_runs_of_nasbench301(change: Change, message: str, tmp_path: Path) -> None:
    path = files.write_nasbench301(tmp_path / "nb_301_v13") / "rs" / "results_0.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidTableError, match=message) as error:
        import_nasbench301(path.parents[1])
    assert "results_0.json" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b'{"optimized_hyperp', b"[" * 100_000, b'{"test_accuracy": NaN}', b"\xff", b"7"),
        *(b"null", b" " * (MOST_BYTES + 1)),
    ],
    ids=["empty", "truncated", "nested", "NaN", "no text", "number", "null", "large"],
)
def test_hostile_files_of_nasbench301(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files.write_nasbench301(tmp_path / "nb_301_v13") / "darts" / "results_1.json"
    path.write_bytes(content)
    out = tmp_path / "labels.parquet"
    assert run(["import", "nasbench301", str(path.parents[1]), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "results_1.json" in error
    assert len(error.splitlines()) == 1
    assert not out.exists()


def test_a_folder_without_runs_of_nasbench301(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match=r"got no results_\*\.json"):
        import_nasbench301(tmp_path)
    with pytest.raises(InvalidTableError, match="there is no"):
        import_nasbench301(tmp_path / "absent.json")
