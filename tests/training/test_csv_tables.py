"""CSV tables as spreadsheets and other programs write them."""

from pathlib import Path

import polars as pl
import pytest

from acorn.errors import InvalidTableError
from acorn.spaces import get_space
from training.labels.csv_tables import read_csv

CELL = get_space("nats_tss").example
GENOTYPE = get_space("darts").example
GRAPH = get_space("graph").example
WIDTHS = "[64, 64, 64, 64, 64]"
MACRO = "01201201"


def read(tmp_path: Path, content: str) -> pl.DataFrame:
    path = tmp_path / "labels.csv"
    path.write_text(content, "utf-8", newline="")
    return read_csv(path, text=("arch",))


def refused(tmp_path: Path, content: str) -> str:
    with pytest.raises(InvalidTableError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(tmp_path / "labels.csv") in message
    return message


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("mark", [".", ","])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "bom"])
def test_separators_and_decimal_marks(
    tmp_path: Path, separator: str, end: str, mark: str, bom: str
) -> None:
    archs = [CELL, GENOTYPE, GRAPH, WIDTHS, MACRO, "1462", "(4, 0, 3, 1, 4, 3)"]
    labels = [f"93{mark}1", "92", "", f"0{mark}5", f"1{mark}25e1", "100", "0"]

    def quote(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if separator in text or '"' in text else text

    rows = [["arch", "cifar10.clean"], *map(list, zip(archs, labels, strict=True))]
    content = end.join(separator.join(map(quote, row)) for row in rows) + end
    table = read(tmp_path, bom + content)
    assert table["arch"].to_list() == archs
    assert table["cifar10.clean"].to_list() == [93.1, 92.0, None, 0.5, 12.5, 100.0, 0.0]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("arch", [GENOTYPE, GRAPH, WIDTHS])
def test_commas_in_architectures_need_no_quotes_beside_other_separators(
    tmp_path: Path, separator: str, arch: str
) -> None:
    table = read(tmp_path, f"arch{separator}cifar10.clean\n{arch}{separator}93,1\n")
    assert table.row(0) == (arch, 93.1)


def test_each_column_has_a_decimal_mark_of_its_own(tmp_path: Path) -> None:
    table = read(tmp_path, "arch;a.clean;b.clean;note\nx;93,1;45.2;1,2 or so\n")
    assert table.row(0) == ("x", 93.1, 45.2, "1,2 or so")


def test_spaces_around_names_and_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "arch , cifar10.clean\nx, 93.5\ny, 94\n")
    assert table.columns == ["arch", "cifar10.clean"]
    assert table["cifar10.clean"].to_list() == [93.5, 94.0]


def test_two_decimal_marks_in_a_column_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, "arch;cifar10.clean\nx;93,1\ny;92.5\n")
    assert "got '93,1' and '92.5' in column 'cifar10.clean'; expected one decimal mark" in message


def test_a_grouped_number_is_left_as_text(tmp_path: Path) -> None:
    assert read(tmp_path, "arch;x\na;1.093,1\n")["x"].to_list() == ["1.093,1"]


def test_decimal_commas_beside_commas_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, "arch,cifar10.clean\nx,93,1\n")
    assert "the header, which has a comma between columns; expected quotes" in message


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("cell;clean, final", "got comma and semicolon in the header"),
        ("cell;clean\tfinal", "got semicolon and tab in the header"),
        ("arch,x;arch", "got comma and semicolon in the header"),
        ("arch|cifar10.clean", "got '|' in the header 'arch|cifar10.clean'; expected comma, semi"),
        ("arch cifar10.clean", "got ' ' in the header"),
        ("arch:cifar10.clean", "got ':' in the header"),
    ],
)
def test_a_separator_in_doubt_is_named(tmp_path: Path, header: str, seen: str) -> None:
    assert seen in refused(tmp_path, f"{header}\n1;2,3\n")


def test_a_column_arch_settles_which_separator_it_is(tmp_path: Path) -> None:
    table = read(tmp_path, "arch;clean, final\nx, y;93,1\n")
    assert table.rows(named=True) == [{"arch": "x, y", "clean, final": 93.1}]


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    for header in ("arch,x,x", "arch,x, x"):
        assert "got column 'x' twice" in refused(tmp_path, f"{header}\na,1,2\n")
    assert read(tmp_path, ",arch,\n0,a,1\n")["arch"].to_list() == ["a"]  # names may be missing


@pytest.mark.parametrize(
    "content", [b"", b"arch;x\nx;1\n".join([b"\xff\xfe", b""]), b"a" * 200_000 + b",b\n"]
)
def test_what_is_no_text_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidTableError, match="no Parquet or CSV table") as caught:
        read_csv(path, text=("arch",))
    assert len(str(caught.value)) < 300
