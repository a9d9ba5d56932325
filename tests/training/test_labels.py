from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from acorn.errors import InputError, InvalidTableError
from acorn.learning.labels import Labels
from acorn.spaces import SPACES, get_space
from training.labels.reading import read_labels

CONV = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
TWIN = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"  # a dead edge more
OTHER = "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(name: str = "labels.parquet", **columns: list[Any]) -> str:
        path = tmp_path / name
        frame = pl.DataFrame({key.replace("__", "."): value for key, value in columns.items()})
        frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
        return str(path)

    return write


def read(*sources: str, space: str = "nats_tss", dataset: str = "cifar10") -> Labels:
    return read_labels(sources, space=space, dataset=dataset)


def refused(match: str, *sources: str, **options: str) -> None:
    with pytest.raises(InvalidTableError, match=match) as caught:
        read(*sources, **options)
    assert "\n" not in str(caught.value)


def test_an_architecture_of_digits_keeps_its_zeros(write: Callable[..., str]) -> None:
    source = write("macro.csv", arch=["01201201", "00000000"], cifar10__clean=[90.0, 80.0])
    assert sorted(read(source, space="nasbench_macro").frame["arch"]) == ["00000000", "01201201"]


@pytest.mark.parametrize("name", ["labels.parquet", "labels.csv"])
def test_only_targets_of_the_dataset_are_read(write: Callable[..., str], name: str) -> None:
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


def test_twins_are_averaged(write: Callable[..., str]) -> None:
    labels = read(write(arch=[CONV, OTHER, TWIN], cifar10__clean=[90.0, 80.0, 92.0]))
    once = labels.by_function()
    found = dict(zip(once.ids, once.frame["clean"], strict=True))
    assert found == {labels.ids[0]: 91.0, labels.ids[1]: 80.0}


def test_a_missing_label_does_not_pull_the_mean(write: Callable[..., str]) -> None:
    labels = read(write(arch=[CONV, TWIN], cifar10__clean=[90.0, None]))
    assert labels.by_function().frame["clean"].to_list() == [90.0]


def test_nan_is_missing(write: Callable[..., str]) -> None:
    labels = read(write(arch=[CONV, OTHER], cifar10__clean=[float("nan"), 80.0]))
    assert labels.frame["clean"].to_list() == [None, 80.0]


def test_files_are_merged_by_architecture(write: Callable[..., str]) -> None:
    first = write("a.parquet", arch=[CONV, OTHER], cifar10__clean=[90.0, 80.0])
    second = write("b.csv", arch=[TWIN, CONV], cifar10__clean=[70, 60], cifar10__pgd_linf_8=[1, 2])
    labels = read(first, f"adv={second}")
    assert labels.targets == ["clean", "adv.clean", "adv.pgd_linf_8"]
    assert dict(zip(labels.frame["arch"], labels.frame["adv.clean"], strict=True)) == {
        CONV: 60.0,
        OTHER: None,
        TWIN: 70.0,
    }


def test_files_may_hold_different_architectures(write: Callable[..., str]) -> None:
    first = write("a.parquet", arch=[CONV, TWIN], cifar10__clean=[90.0, None])
    second = write("b.parquet", arch=[OTHER, TWIN], cifar10__clean=[80.0, 70.0])
    found = read(first, second).frame
    assert dict(zip(found["arch"], found["clean"], strict=True)) == {CONV: 90, OTHER: 80, TWIN: 70}


def test_one_label_from_two_files_is_refused(write: Callable[..., str]) -> None:
    first = write("a.parquet", arch=[CONV], cifar10__clean=[90.0])
    second = write("b.parquet", arch=[CONV], cifar10__clean=[91.0])
    refused("clean of .* from two label tables", first, second)


@pytest.mark.parametrize("value", [-0.01, 100.01, float("inf")])
def test_labels_are_percent(write: Callable[..., str], value: float) -> None:
    source = write(arch=[CONV, OTHER], cifar10__clean=[50.0, value])
    refused(r"column 'cifar10.clean', row 2; expected percent", source)


def test_text_is_no_label(write: Callable[..., str]) -> None:
    source = write("l.csv", arch=[CONV], cifar10__clean=["good"])
    refused(r"got 'good' in column 'cifar10.clean', row 1; expected percent", source)


def test_other_types_are_no_labels(write: Callable[..., str]) -> None:
    source = write(arch=[CONV], cifar10__clean=[[1.0]])
    refused(r"column 'cifar10.clean' of List\(Float64\); expected percent", source)


FRACTIONS = "got no label above {} in column {!r}; expected percent, 0 to 100: multiply"


@pytest.mark.parametrize("labels", [[0.93, 0.91], [0.0, 1.0], [1, 0], [None, 0.004]])
@pytest.mark.parametrize("name", ["l.parquet", "l.csv"])
def test_fractions_are_refused(
    write: Callable[..., str], labels: list[float | None], name: str
) -> None:
    source = write(name, arch=[CONV, OTHER], cifar10__clean=labels)
    largest = f"{max(label or 0 for label in labels):g}"
    refused(FRACTIONS.format(largest, "cifar10.clean") + f" .*percent={source} if", source)
    refused(FRACTIONS.format(largest, "cifar10.clean"), f"adv={source}")


def test_one_target_of_fractions_among_percent_is_refused(write: Callable[..., str]) -> None:
    columns = {"cifar10__clean": [93.0, 91.0], "cifar10__pgd_linf_8": [0.4, 0.3]}
    source = write(arch=[CONV, OTHER], **columns)
    refused(FRACTIONS.format("0.4", "cifar10.pgd_linf_8"), source)


@pytest.mark.parametrize("labels", [[0.0, 0.0], [0.0, None], [None, None], [1.001, 0.0]])
def test_zeros_and_gaps_are_no_fractions(
    write: Callable[..., str], labels: list[float | None]
) -> None:
    columns = {"cifar10__clean": [93.0, 91.0], "cifar10__apgd_ce_linf_8": labels}
    assert read(write(arch=[CONV, OTHER], **columns)).frame["apgd_ce_linf_8"].to_list() == labels


@pytest.mark.parametrize(
    "marks", ["percent=", "adv=percent=", "percent=adv=", "nats_tss=percent=", "percent=nats_tss="]
)
def test_percent_below_one_can_be_meant(write: Callable[..., str], marks: str) -> None:
    source = write(arch=[CONV, OTHER], cifar10__clean=[0.9, 0.0])
    labels = read(f"{marks}{source}")
    assert labels.frame[:, 2].to_list() == [0.9, 0.0]
    assert labels.targets == ["adv.clean" if "adv" in marks else "clean"]
    assert labels.sources[0].file == "labels.parquet"


def test_a_file_with_an_equals_sign_in_its_name_is_read_as_it_is(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write("percent=x.csv", arch=[CONV], cifar10__clean=[0.9])
    monkeypatch.chdir(tmp_path)
    refused(FRACTIONS.format("0.9", "cifar10.clean"), "percent=x.csv")
    assert read("percent=percent=x.csv").frame["clean"].to_list() == [0.9]


def test_only_the_order_of_labels_on_other_datasets_counts(write: Callable[..., str]) -> None:
    columns = {"cifar10__clean": [93.0, 91.0], "cifar100__clean": [0.7, 0.6]}
    source = write(arch=[CONV, OTHER], **columns)
    labels = read_labels([source], space="nats_tss", dataset="cifar10", companions=True)
    assert labels.frame["cifar100/clean"].to_list() == [0.7, 0.6]
    refused(FRACTIONS.format("0.7", "cifar100.clean"), source, dataset="cifar100")


def test_datasets_in_any_spelling(write: Callable[..., str]) -> None:
    columns = {"CIFAR-10.clean": [93.0], "imagenet16_120.clean": [40.0], "Cifar100.clean": [70.0]}
    source = write(arch=[CONV], **columns)
    for dataset in ("cifar10", "CIFAR10"):
        labels = read_labels([source], space="nats_tss", dataset=dataset, companions=True)
        assert labels.dataset == "cifar10"
        assert labels.targets == ["clean"]
        assert labels.companions == ["ImageNet16-120/clean", "cifar100/clean"]


def test_datasets_that_are_not_registered_keep_their_spelling(write: Callable[..., str]) -> None:
    source = write(arch=[CONV], **{"SVHN.clean": [93.0]})
    assert read(source, dataset="SVHN").targets == ["clean"]
    refused("no labels for svhn; it has them for: SVHN", source, dataset="svhn")


def test_two_spellings_of_one_column_are_refused(write: Callable[..., str]) -> None:
    source = write(arch=[CONV], **{"cifar10.clean": [93.0], "CIFAR-10.clean": [92.0]})
    refused("columns 'cifar10.clean' and 'CIFAR-10.clean'; expected one for cifar10.clean", source)


def test_architectures_in_any_spelling(write: Callable[..., str]) -> None:
    space = get_space("nats_tss")
    expected = [space.parse(index).arch for index in (0, 1462)]
    for archs in ([0, 1462], ["0", "1462"], [expected[0].replace("|", " | "), "1462"]):
        for name in ("a.parquet", "a.csv"):
            source = write(name, arch=archs, cifar10__clean=[85.0, 93.0])
            assert read(source).frame["arch"].to_list() == expected
    source = write(arch=[[4, 0, 3, 1, 4, 3], [0] * 6], cifar10__clean=[85.0, 93.0])
    assert read(source).frame["arch"][0] == space.parse("(4, 0, 3, 1, 4, 3)").arch
    source = write("widths.csv", arch=["[8, 8, 8, 8, 24]", "3"], cifar10__clean=[85.0, 93.0])
    found = read(source, space="nats_sss").frame["arch"].to_list()
    assert found == ["8:8:8:8:24", "8:8:8:8:32"]


def test_two_spellings_of_one_architecture_are_refused(write: Callable[..., str]) -> None:
    refused("is there twice, in rows 1 and 2", write(arch=["2", "2 "], cifar10__clean=[89.0, 90.0]))


def test_a_table_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"arch;CIFAR-10.clean\n{CONV};93,1\n1462;92\n")
    assert read(str(path)).frame["clean"].to_list() == [93.1, 92.0]
    path.write_text(f"arch;cifar10.clean\n{CONV};0,93\n1462;0,92\n")
    refused(FRACTIONS.format("0.93", "cifar10.clean"), str(path))
    path.with_suffix(".tsv").write_text("arch\tcifar10.clean\n1462\t93,1\n")
    assert read(str(path.with_suffix(".tsv"))).frame["clean"].to_list() == [93.1]


def test_an_architecture_twice_is_refused(write: Callable[..., str]) -> None:
    source = write(arch=[OTHER, CONV, CONV], cifar10__clean=[1.0, 2.0, 3.0])
    refused("is there twice, in rows 2 and 3", source)


def test_an_architecture_that_cannot_be_read_is_named_by_row(write: Callable[..., str]) -> None:
    refused("row 2: got 'resnet'", write(arch=[CONV, "resnet"], cifar10__clean=[1.0, 2.0]))
    refused("row 1: got None", write(arch=[None, CONV], cifar10__clean=[1.0, 2.0]))


def test_no_arch_column(write: Callable[..., str]) -> None:
    refused(
        "no column 'arch'; it has 'cell, cifar10.clean'", write(cell=[CONV], cifar10__clean=[1.0])
    )


def test_no_column_of_the_dataset(write: Callable[..., str]) -> None:
    source = write(arch=[CONV], cifar10__clean=[1.0], cifar10__params=[2.0], Im__clean=[3.0])
    refused("no labels for cifar100; it has them for: Im, cifar10", source, dataset="cifar100")
    refused("has them for: none", write("b.parquet", arch=[CONV]), dataset="cifar100")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    refused("no label table at", str(tmp_path / "nothing.parquet"))
    for name in ("broken.parquet", "broken.csv"):
        (tmp_path / name).write_bytes(b'\x00\xff"')
        refused("no Parquet or CSV table|no column 'arch'", str(tmp_path / name))
    with pytest.raises(InputError, match="no label table"):
        read()


def test_classes_of_functions_must_agree(write: Callable[..., str]) -> None:
    good = {"arch": [CONV, OTHER, TWIN], "cifar10__clean": [1.0, 2.0, 3.0]}
    assert len(read(write(**good, function_class=[5, 6, 5])).frame) == 3
    for classes in ([5, 5, 5], [5, 6, 7]):
        refused(
            "function_class .* is not the function class of the space",
            write(**good, function_class=classes),
        )


def test_the_published_labels(shared: Path) -> None:
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


ALL = ("cifar10", "cifar100", "ImageNet16-120")


@pytest.mark.parametrize(
    ("name", "datasets"),
    [
        ("nats_tss_clean", ALL),
        ("nats_tss_robust_standard_training", ALL),
        ("nats_tss_robust_adversarial_training", ALL),
        ("nats_sss_clean", ALL),
        ("nasbench_macro_clean", ("cifar10",)),
    ],
)
def test_no_published_target_is_taken_for_fractions(
    shared: Path, name: str, datasets: tuple[str, ...]
) -> None:
    """Under a strong attack nearly all labels are 0, but not one whole target is at most 1."""
    path = shared / "benchmarks" / f"{name}.parquet"
    published = pl.read_parquet(path)
    space = next(space for space in SPACES if name.startswith(space))
    for dataset in datasets:
        labels = read_labels([str(path)], space=space, dataset=dataset, companions=True)
        assert len(labels.frame) == len(published)
        for target in labels.targets:
            assert labels.frame[target].equals(published[f"{dataset}.{target}"])


def test_labels_on_other_datasets_come_along_when_asked_for(tmp_path: Path) -> None:
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
