import json
from pathlib import Path

import polars as pl
import pytest

from acorn.errors import InvalidTableError
from training.labels.importers import import_robustness, import_table

META = {
    "ids": {
        "0": {"nb201-string": "a", "isomorph": "0"},
        "1": {"nb201-string": "b", "isomorph": "0"},
        "2": {"nb201-string": "c", "isomorph": "2"},
    },
    "epsilons": {"pgd@Linf": [0.5, 8]},
}
FILES = {
    "pgd@Linf": {"0": [0.5, 0.01], "2": [0.25, 0.0]},
    "fog": {"0": [0.5, 0.25, 0.25, 0.0, 0.0], "2": [1.0] * 5},
    "clean": {"0": 0.9123},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "meta.json").write_text(json.dumps(META))
    (tmp_path / "cifar10").mkdir()
    for measure, accuracy in FILES.items():
        content = {"cifar10": {measure: {"accuracy": accuracy}}}
        (tmp_path / "cifar10" / f"{measure}_accuracy.json").write_text(json.dumps(content))
    return tmp_path


def test_robustness(folder: Path) -> None:
    found = import_robustness(folder).to_dict(as_series=False)
    assert found == {
        "arch": ["a", "b", "c"],
        "cifar10.clean": [91.23, 91.23, None],
        "cifar10.corruption_fog": [20.0, 20.0, 100.0],
        "cifar10.pgd_linf_0.5": [50.0, 50.0, 25.0],
        "cifar10.pgd_linf_8.0": [1.0, 1.0, 0.0],
    }


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("meta.json", None, "there is no .*meta.json"),
        ("meta.json", "{", "meta.json is malformed: JSONDecodeError"),
        ("meta.json", "[]", "meta.json is malformed"),
        ("meta.json", '{"ids": {"0": {}}, "epsilons": {}}', "meta.json is malformed"),
        ("cifar10/pgd@Linf_accuracy.json", "{}", "pgd@Linf_accuracy.json is malformed"),
        (
            "cifar10/fog_accuracy.json",
            '{"cifar10": {"fog": {"accuracy": {"0": "x"}}}}',
            "malformed",
        ),
        (
            "cifar10/pgd@Linf_accuracy.json",
            '{"cifar10": {"pgd@Linf": {"accuracy": {"0": [0.5]}}}}',
            "expected 2 budgets",
        ),
    ],
)
def test_broken_files_are_named(folder: Path, name: str, content: str | None, match: str) -> None:
    (folder / name).write_text(content) if content is not None else (folder / name).unlink()
    with pytest.raises(InvalidTableError, match=match):
        import_robustness(folder)


def test_a_folder_without_results(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps(META))
    with pytest.raises(InvalidTableError, match="expected files <dataset>"):
        import_robustness(tmp_path)


def test_robustness_as_published(shared: Path) -> None:
    found = import_robustness(shared / "official_formats" / "robustness-data")
    published = pl.read_parquet(
        shared / "benchmarks" / "nats_tss_robust_standard_training.parquet"
    ).rename({f"{name}.clean_single_seed": f"{name}.clean" for name in ("cifar10", "cifar100")})
    both = found.join(published, on="arch", suffix=" published")
    assert len(found) == len(both) == 12_568
    for name in found.columns[1:]:
        difference = (both[name] - both[f"{name} published"]).abs()
        assert max(difference.drop_nulls()) < 1e-3, name


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    pl.DataFrame({"cell": ["a"], "acc": [90.0], "cifar10.clean": [91.0], "x": [1]}).write_csv(path)
    found = import_table(path, columns={"cell": "arch", "acc": "cifar10.pgd_linf_1"})
    assert found.columns == ["arch", "cifar10.pgd_linf_1", "cifar10.clean"]
    with pytest.raises(InvalidTableError, match="no column nope"):
        import_table(path, columns={"nope": "arch"})
    with pytest.raises(InvalidTableError, match="expected arch and <dataset>"):
        import_table(path)
    with pytest.raises(InvalidTableError, match="same name"):
        import_table(path, columns={"cell": "arch", "acc": "cifar10.clean"})


def test_a_table_of_fractions_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("cell;acc\n01201201;0,93\n00000001;0,91\n")
    columns = {"cell": "arch", "acc": "CIFAR-10.clean"}
    with pytest.raises(InvalidTableError, match=r"no label above 0\.93 in column 'acc'.*percent="):
        import_table(path, columns=columns)
    table = import_table(path, columns=columns, small=True)
    assert table.to_dict(as_series=False) == {
        "arch": ["01201201", "00000001"],
        "cifar10.clean": [0.93, 0.91],
    }


def test_a_table_keeps_the_columns_that_have_their_names_in_another_spelling(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arch,CIFAR10.clean,imagenet16-120.clean,params\n1462,93.5,40,1\n")
    table = import_table(path)
    assert table.columns == ["arch", "cifar10.clean", "ImageNet16-120.clean"]
    path.write_text("arch,CIFAR10.clean,cifar10.clean\n1462,93.5,40\n")
    with pytest.raises(InvalidTableError, match="two columns have the same name"):
        import_table(path)
