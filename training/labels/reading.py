"""Label tables: measured accuracies of architectures, from one file or several.

A table has a column ``arch`` and columns ``<dataset>.<target>`` in the unit of the target, percent
for accuracies, null where nothing was measured. Other columns, such as parameter counts and class
numbers, are ignored. Datasets may be spelled in any way that :func:`acorn.datasets.get_dataset`
reads, architectures in any way that their space reads.
"""

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from acorn.datasets import canonical_name
from acorn.errors import InputError, InvalidArchitectureError, InvalidTableError, abbreviate
from acorn.forests import LabelSource
from acorn.learning.labels import COMPANION, Labels
from acorn.spaces import SPACES, UNIVERSAL, Space, get_space
from acorn.targets import ADVERSARIAL, PERCENT, Target, is_target
from training.labels.csv_tables import SUFFIXES, read_csv

FUNCTION_CLASS = "function_class"


def read_labels(
    sources: Sequence[str], *, space: str, dataset: str, companions: bool = False
) -> Labels:
    """Read and merge label tables.

    Parameters
    ----------
    sources
        Parquet or CSV files. ``adv=FILE`` reads labels of adversarially trained networks: their
        targets get the prefix ``adv.``. ``SPACE=FILE`` says whose architectures a table has.
        ``percent=FILE`` says that labels are percent, also where all of a target are at most 1.
        Several marks may stand together, as in ``SPACE=adv=FILE``.
    space
        Name of the space of all architectures; ``"universal"`` for those of several, each of
        which is then named.
    dataset
        Whose columns to take.
    companions
        Take the columns of other datasets, too. Only the order of their labels is used, so that
        they may be fractions.

    Raises
    ------
    InvalidTableError
        For a table that cannot be used: says which file, which row or column, and why.
    """
    if not sources:
        raise InputError("got no label table; expected at least one")
    dataset = canonical_name(dataset)
    tables, origins = zip(
        *(_read_one(source, space, dataset, companions=companions) for source in sources),
        strict=True,
    )
    return Labels(space, dataset, _merge(tables), tuple(origins))


@dataclass(frozen=True, slots=True)
class _Source:
    """A label table, and what the marks before its path say of it."""

    space: Space
    path: Path
    adversarial: bool
    percent: bool


def _read_one(
    text: str, wanted: str, dataset: str, *, companions: bool
) -> tuple[pl.DataFrame, LabelSource]:
    source = _read_source(text, wanted)
    path = source.path
    table = read_file(path)
    prefix = ADVERSARIAL if source.adversarial else ""
    labels = {}
    for column, (owner, name) in _target_columns(table, dataset, path, prefix).items():
        target = Target.of(name)
        if owner == dataset:
            labels[name] = read_column(table[column], target, path, small=source.percent)
        elif companions:
            labels[owner + COMPANION + name] = read_column(table[column], target, path, small=True)
    ids, archs = _functions(table, source.space, path)
    frame = pl.DataFrame({"id": ids, "arch": archs} | labels)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return frame, LabelSource(file=path.name, prefix=prefix, rows=len(frame), sha256=digest)


def _read_source(text: str, wanted: str) -> _Source:
    marks, path = split_marks(text, {"adv", PERCENT, *SPACES})
    spaces = [mark for mark in marks if mark in SPACES]
    if len(spaces) > 1:
        raise InputError(f"got labels {text!r}; expected one space")
    if not spaces and wanted == UNIVERSAL:
        raise InputError(
            f"got labels {text!r}; expected SPACE=FILE, since a universal forest learns from "
            f"several spaces: {', '.join(SPACES)}"
        )
    if spaces and wanted not in (spaces[0], UNIVERSAL):
        raise InputError(f"got labels of {spaces[0]}; expected labels of {wanted}")
    space = get_space(spaces[0] if spaces else wanted)
    return _Source(space, path, "adv" in marks, PERCENT in marks)


def split_marks(source: str, known: Collection[str]) -> tuple[list[str], Path]:
    """Split ``MARK=MARK=FILE`` into marks and path.

    Parameters
    ----------
    source
        As it was given. A file whose own name has an equals sign is read as that file.
    known
        What may stand before an equals sign.
    """
    marks: list[str] = []
    while not Path(source).exists():
        mark, equals, rest = source.partition("=")
        if not equals or mark not in known:
            break
        marks.append(mark)
        source = rest
    return marks, Path(source)


def read_file(path: Path, *, text: Collection[str] = ("arch",)) -> pl.DataFrame:
    """Read a Parquet or CSV table; raises InvalidTableError.

    Parameters
    ----------
    path
        CSV if its name ends in ``.csv`` or ``.tsv``, else Parquet.
    text
        Columns of a CSV table that are text, even if all values look like numbers.
    """
    if not path.is_file():
        raise InvalidTableError(f"no label table at {path}")
    try:
        if path.suffix.lower() in SUFFIXES:
            return read_csv(path, text=text)
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise InvalidTableError(f"{path} is no Parquet or CSV table: {first}") from error


def split_column(name: str) -> tuple[str, str]:
    """Split ``<dataset>.<target>``, the dataset in its own spelling."""
    owner, _, target = name.partition(".")
    return canonical_name(owner), target


def _target_columns(
    table: pl.DataFrame, dataset: str, path: Path, prefix: str
) -> dict[str, tuple[str, str]]:
    """Dataset and target of each column with labels; targets get the prefix."""
    if "arch" not in table.columns:
        raise InvalidTableError(f"{path} has no column 'arch'; it has {_some(table.columns)}")
    split = {column: split_column(column) for column in table.columns}
    names = {column: (owner, prefix + target) for column, (owner, target) in split.items()}
    labels = {column: each for column, each in names.items() if is_target(each[1])}
    first: dict[tuple[str, str], str] = {}
    for column, each in labels.items():
        if first.setdefault(each, column) != column:
            got = f"columns {first[each]!r} and {column!r}"
            raise InvalidTableError(f"{path}: got {got}; expected one for {'.'.join(each)}")
    if all(owner != dataset for owner, _ in labels.values()):
        owners = ", ".join(sorted({owner for owner, _ in labels.values()})) or "none"
        raise InvalidTableError(f"{path} has no labels for {dataset}; it has them for: {owners}")
    return labels


def read_column(column: pl.Series, target: Target, path: Path, *, small: bool = False) -> pl.Series:
    """Read a column of labels.

    Parameters
    ----------
    column : polars.Series
        Finite numbers within the bounds of the target; NaN is null. If percent are all at most 1,
        they are taken for fractions and refused. A column of zeros is accepted, since under a
        strong attack no network may be right.
    target : Target
        The target of the labels.
    path : pathlib.Path
        Path of the table, for error messages.
    small : bool, default=False
        Accept percent of which all are at most 1.

    Returns
    -------
    polars.Series
        Labels as nullable float64.

    Raises
    ------
    InvalidTableError
        For labels that are no numbers, or outside the bounds.
    """
    try:
        values = column.cast(pl.Float64).fill_nan(None)
    except pl.exceptions.PolarsError:
        raise InvalidTableError(f"{path}: got {_odd(column)}; expected {target.unit}") from None
    inside = values.is_between(target.lower, target.upper) & values.is_finite()
    if target.scale == "log":
        inside &= values > 0
    outside = inside.not_().fill_null(False).arg_true()
    if len(outside):
        row = int(outside[0])
        got = f"{values[row]} in column {column.name!r}, row {row + 1}"
        raise InvalidTableError(f"{path}: got {got}; expected {_expected(target)}")
    largest = values.max()
    if target.unit == PERCENT and not small and isinstance(largest, float) and 0 < largest <= 1:
        raise InvalidTableError(
            f"{path}: got no label above {largest:g} in column {column.name!r}; expected percent, "
            f"0 to 100: multiply fractions by 100, or write {PERCENT}={path} if these are percent"
        )
    return values


def _expected(target: Target) -> str:
    """Describe the labels of a target."""
    if math.isfinite(target.upper):
        return f"{target.unit}, {target.lower:g} to {target.upper:g}"
    above = "above" if target.scale == "log" else "at least"
    return f"{target.unit}, {above} {target.lower:g}"


def _odd(column: pl.Series) -> str:
    """Say what of a column is no number."""
    if column.dtype != pl.String:
        return f"column {column.name!r} of {column.dtype}"
    numbers = column.cast(pl.Float64, strict=False)
    row = int((numbers.is_null() & column.is_not_null()).arg_true()[0])
    return f"{abbreviate(column[row])} in column {column.name!r}, row {row + 1}"


def _functions(table: pl.DataFrame, space: Space, path: Path) -> tuple[list[str], list[str]]:
    """Id and spelling of each row, held against the table's own classes of functions."""
    ids, archs = [], []
    for row, spec in enumerate(table["arch"].to_list(), start=1):
        try:
            parsed = space.parse(spec)
        except InvalidArchitectureError as error:
            raise InvalidTableError(f"{path}, row {row}: {error}") from None
        ids.append(parsed.id)
        archs.append(parsed.arch)
    repeated = pl.Series(archs).is_duplicated().arg_true()
    if len(repeated):
        rows = f"rows {repeated[0] + 1} and {archs.index(archs[repeated[0]], repeated[0] + 1) + 1}"
        raise InvalidTableError(f"{path}: {archs[repeated[0]]} is there twice, in {rows}")
    if FUNCTION_CLASS in table.columns:
        _check_classes(table[FUNCTION_CLASS].to_list(), ids, path)
    return ids, archs


def _check_classes(classes: list[object], ids: list[str], path: Path) -> None:
    id_of: dict[object, str] = {}
    class_of: dict[str, object] = {}
    for class_, id_ in zip(classes, ids, strict=True):
        if class_ is None:
            continue
        if id_of.setdefault(class_, id_) != id_ or class_of.setdefault(id_, class_) != class_:
            raise InvalidTableError(
                f"{path}: {FUNCTION_CLASS} {class_} is not the function {id_}: the column puts "
                f"architectures together, or apart, that the space does not"
            )


def _merge(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put tables together by architecture; a label may come from one table only."""
    stacked = pl.concat(tables, how="diagonal")
    targets = pl.exclude("id", "arch")
    grouped = stacked.group_by("id", "arch", maintain_order=True)
    counts = grouped.agg(targets.count())
    for name in counts.columns[2:]:
        twice = counts.filter(pl.col(name) > 1)
        if len(twice):
            got = f"{name} of {twice['arch'][0]}"
            raise InvalidTableError(f"got {got} from two label tables; expected it from one")
    return grouped.agg(targets.drop_nulls().first())


def _some(names: Sequence[str]) -> str:
    return abbreviate(", ".join(names))
