import numpy as np
import polars as pl
import pytest

from models.errors import InputError, InvalidTableError
from models.spaces import get_space
from training.labels import read_labels

CONV = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
TWIN = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"  # a dead edge more
OTHER = "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


@pytest.fixture
def write(tmp_path):
    def write(name="labels.parquet", **columns):
        path = tmp_path / name
        frame = pl.DataFrame({key.replace("__", "."): value for key, value in columns.items()})
        frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
        return str(path)

    return write


def read(*sources, space="nats_tss", dataset="cifar10"):
    return read_labels(sources, space=space, dataset=dataset)


def refused(match, *sources, **options):
    with pytest.raises(InvalidTableError, match=match) as caught:
        read(*sources, **options)
    assert "\n" not in str(caught.value)


def test_an_architecture_of_digits_keeps_its_zeros(write):
    source = write("macro.csv", arch=["01201201", "00000000"], cifar10__clean=[90.0, 80.0])
    assert sorted(read(source, space="nasbench_macro").frame["arch"]) == ["00000000", "01201201"]


@pytest.mark.parametrize("name", ["labels.parquet", "labels.csv"])
def test_only_targets_of_the_dataset_are_read(write, name):
    source = write(
        name,
        index=[1, 2],
        arch=[CONV, OTHER],
        cifar10__clean=[90.0, None],
        cifar10__params=[0.1, 0.2],
        cifar10__clean_std=[0.1, 0.2],
        cifar10__clean_single_seed=[1.0, 2.0],
        cifar100__clean=[60.0, 50.0],
    )
    labels = read(source)
    assert labels.targets == ["clean"]
    assert labels.frame["clean"].to_list() == [90.0, None]
    assert labels.ids == [get_space("nats_tss").parse(arch).id for arch in (CONV, OTHER)]
    assert [(s.file, s.prefix, s.rows) for s in labels.sources] == [(name, "", 2)]


def test_twins_are_averaged(write):
    labels = read(write(arch=[CONV, OTHER, TWIN], cifar10__clean=[90.0, 80.0, 92.0]))
    once = labels.by_function()
    found = dict(zip(once.ids, once.frame["clean"], strict=True))
    assert found == {labels.ids[0]: 91.0, labels.ids[1]: 80.0}


def test_a_missing_label_does_not_pull_the_mean(write):
    labels = read(write(arch=[CONV, TWIN], cifar10__clean=[90.0, None]))
    assert labels.by_function().frame["clean"].to_list() == [90.0]


def test_nan_is_missing(write):
    labels = read(write(arch=[CONV, OTHER], cifar10__clean=[float("nan"), 80.0]))
    assert labels.frame["clean"].to_list() == [None, 80.0]


def test_files_are_merged_by_architecture(write):
    first = write("a.parquet", arch=[CONV, OTHER], cifar10__clean=[90.0, 80.0])
    second = write("b.csv", arch=[TWIN, CONV], cifar10__clean=[70, 60], cifar10__pgd_linf_8=[1, 2])
    labels = read(first, f"adv={second}")
    assert labels.targets == ["clean", "adv.clean", "adv.pgd_linf_8"]
    assert dict(zip(labels.frame["arch"], labels.frame["adv.clean"], strict=True)) == {
        CONV: 60.0,
        OTHER: None,
        TWIN: 70.0,
    }


def test_files_may_hold_different_architectures(write):
    first = write("a.parquet", arch=[CONV, TWIN], cifar10__clean=[90.0, None])
    second = write("b.parquet", arch=[OTHER, TWIN], cifar10__clean=[80.0, 70.0])
    found = read(first, second).frame
    assert dict(zip(found["arch"], found["clean"], strict=True)) == {CONV: 90, OTHER: 80, TWIN: 70}


def test_one_label_from_two_files_is_refused(write):
    first = write("a.parquet", arch=[CONV], cifar10__clean=[90.0])
    second = write("b.parquet", arch=[CONV], cifar10__clean=[91.0])
    refused("clean of .* from two label tables", first, second)


@pytest.mark.parametrize("value", [-0.01, 100.01, float("inf")])
def test_labels_are_percent(write, value):
    source = write(arch=[CONV, OTHER], cifar10__clean=[50.0, value])
    refused(r"column 'cifar10.clean', row 2; expected percent", source)


def test_text_is_no_label(write):
    source = write("l.csv", arch=[CONV], cifar10__clean=["good"])
    refused(r"column 'cifar10.clean' of String; expected percent", source)


def test_an_architecture_twice_is_refused(write):
    source = write(arch=[OTHER, CONV, CONV], cifar10__clean=[1.0, 2.0, 3.0])
    refused("is there twice, in rows 2 and 3", source)


def test_an_architecture_that_cannot_be_read_is_named_by_row(write):
    refused("row 2: got 'resnet'", write(arch=[CONV, "resnet"], cifar10__clean=[1.0, 2.0]))
    refused("row 1: got None", write(arch=[None, CONV], cifar10__clean=[1.0, 2.0]))


def test_no_arch_column(write):
    refused(
        "no column 'arch'; it has 'cell, cifar10.clean'", write(cell=[CONV], cifar10__clean=[1.0])
    )


def test_no_column_of_the_dataset(write):
    source = write(arch=[CONV], cifar10__clean=[1.0], cifar10__params=[2.0], Im__clean=[3.0])
    refused("no labels for cifar100; it has them for: Im, cifar10", source, dataset="cifar100")
    refused("has them for: none", write("b.parquet", arch=[CONV]), dataset="cifar100")


def test_files_that_are_no_tables(tmp_path):
    refused("no label table at", str(tmp_path / "nothing.parquet"))
    for name in ("broken.parquet", "broken.csv"):
        (tmp_path / name).write_bytes(b'\x00\xff"')
        refused("no Parquet or CSV table|no column 'arch'", str(tmp_path / name))
    with pytest.raises(InputError, match="no label table"):
        read()


def test_classes_of_functions_must_agree(write):
    good = {"arch": [CONV, OTHER, TWIN], "cifar10__clean": [1.0, 2.0, 3.0]}
    assert len(read(write(**good, function_class=[5, 6, 5])).frame) == 3
    for classes in ([5, 5, 5], [5, 6, 7]):
        refused("function_class .* is not the function", write(**good, function_class=classes))


def test_the_published_labels(shared):
    folder = shared / "benchmarks"
    labels = read(
        str(folder / "nats_tss_clean.parquet"),
        str(folder / "nats_tss_robust_standard_training.parquet"),
        f"adv={folder / 'nats_tss_robust_adversarial_training.parquet'}",
    )
    assert len(labels.frame) == 12_568
    assert {"clean", "pgd_linf_1.0", "corruption_fog", "adv.pgd_linf_8"} <= set(labels.targets)
    assert "clean_single_seed" not in labels.targets
    assert len(labels.by_function().frame) == 3_728


def test_labels_on_other_datasets_come_along_when_asked_for(tmp_path):
    cells = get_space("nats_tss").sample(3, seed=0)
    path = tmp_path / "two.csv"
    table = {
        "arch": cells,
        "cifar10.clean": [90.0, 91.0, 92.0],
        "cifar100.clean": [60.0, None, 70.0],
    }
    pl.DataFrame(table).write_csv(path)
    sources = [str(path), f"adv={path}"]
    plain = read_labels(sources, space="nats_tss", dataset="cifar10")
    assert (plain.targets, plain.companions) == (["clean", "adv.clean"], [])
    both = read_labels(sources, space="nats_tss", dataset="cifar10", companions=True)
    assert both.targets == ["clean", "adv.clean"]
    assert both.companions == ["cifar100/clean", "cifar100/adv.clean"]
    once = both.by_function()
    assert once.companions == both.companions
    kept = both.matrix(["cifar100/clean"])[:, 0]
    assert kept[[0, 2]].tolist() == [60.0, 70.0]
    assert np.isnan(kept[1])
