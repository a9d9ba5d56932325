"""Label tables: measured accuracies of architectures, from one file or several.

A table has a column ``arch`` and columns ``<dataset>.<target>`` in the unit of the target, percent
for accuracies; a missing label is null. Columns of conditions and of groups are read on demand;
other columns, such as numbers of parameters, are ignored.
:func:`acorn.datasets.get_dataset` reads the names of datasets, and their space the architectures.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import polars as pl

from acorn.conditions import IMAGE_SIZE, PREFIX, Condition
from acorn.datasets import canonical_name, get_dataset
from acorn.errors import InputError, InvalidArchitectureError, InvalidTableError, abbreviate
from acorn.forests import LabelSource
from acorn.learning.labels import COMPANION, GROUP, Labels
from acorn.spaces import SPACES, UNIVERSAL, Space, get_space
from acorn.targets import ADVERSARIAL, PERCENT, Target, is_target
from training.labels.csv_tables import SUFFIXES, read_csv

FUNCTION_CLASS = "function_class"


def read_labels(
    sources: Sequence[str],
    *,
    space: str,
    dataset: str,
    companions: bool = False,
    conditions: Sequence[str | Condition] = (),
    groups: str | None = None,
) -> Labels:
    """Read and merge label tables.

    Parameters
    ----------
    sources : sequence of str
        Parquet or CSV files. ``adv=FILE`` reads labels of adversarially trained networks: their
        targets get the prefix ``adv.``. ``SPACE=FILE`` names the space of the architectures.
        ``percent=FILE`` accepts labels in percent that are all at most 1. Marks can be combined:
        ``SPACE=adv=FILE``.
    space : str
        Space of all architectures; for ``"universal"``, every source names its space.
    dataset : str
        Dataset whose labels to read.
    companions : bool, default=False
        Whether to read labels on other datasets, too. Only their order is used, so they may be
        fractions.
    conditions : sequence of str or Condition, default=()
        Columns that labels depend on besides the architecture, such as ``image_size``. A name may
        have its default after it: ``pretraining=none``. A :class:`~acorn.conditions.Condition` is
        that of a bundle, which has to allow every value. An architecture may have several rows
        then. A row without a value has the default.
    groups : str, optional
        Column of groups of rows, such as ``family``, that no split separates.

    Returns
    -------
    Labels

    Raises
    ------
    InvalidTableError
        For a table that cannot be used; the message names the file, and the row or column.
    InputError
        If there is no source, or a source of another space.
    """
    if not sources:
        raise InputError("got no label table; expected at least one")
    dataset = canonical_name(dataset)
    defaults = {_name(given): given for given in conditions}
    tables, origins = zip(
        *(
            _read_one(source, space, dataset, [*defaults], groups, companions=companions)
            for source in sources
        ),
        strict=True,
    )
    if groups is not None and not any(GROUP in table.columns for table in tables):
        raise InvalidTableError(f"got no label table with a column {groups!r} of groups")
    if not conditions:
        return Labels(space, dataset, _merge(tables), tuple(origins))
    frame, known = _with_conditions(tables, defaults, dataset)
    return Labels(space, dataset, frame, tuple(origins), known)


def _name(condition: str | Condition) -> str:
    return condition.name if isinstance(condition, Condition) else condition.partition("=")[0]


def _with_conditions(
    tables: Sequence[pl.DataFrame], defaults: Mapping[str, str | Condition], dataset: str
) -> tuple[pl.DataFrame, tuple[Condition, ...]]:
    """Stack tables whose rows are not merged, and make the conditions of their columns."""
    try:
        frame = pl.concat(tables, how="diagonal")
    except pl.exceptions.PolarsError as error:
        raise InvalidTableError(f"label tables have different kinds of columns: {error}") from None
    conditions = []
    for name, given in defaults.items():
        column = PREFIX + name
        if column not in frame.columns:
            raise InvalidTableError(f"got no label table with a column {name!r}; expected one")
        values = frame[column].drop_nulls().to_list()
        if isinstance(given, Condition):
            for value in set(values):
                given.read(value)
            condition = given
        else:
            default = given.partition("=")[2] or None
            size = get_dataset(dataset).height if name == IMAGE_SIZE else None
            condition = Condition.of(name, values, default=default, usual=size)
        frame = frame.with_columns(pl.col(column).fill_null(condition.default))
        conditions.append(condition)
    return frame, tuple(conditions)


def _read_one(
    source: str,
    wanted: str,
    dataset: str,
    conditions: Sequence[str],
    groups: str | None,
    *,
    companions: bool,
) -> tuple[pl.DataFrame, LabelSource]:
    marks, path = split_marks(source, {"adv", PERCENT, *SPACES})
    space = _find_space(source, [mark for mark in marks if mark in SPACES], wanted)
    table = read_file(path)
    prefix = ADVERSARIAL if "adv" in marks else ""
    labels = {}
    for column, (owner, name) in _target_columns(table, dataset, path, prefix).items():
        if owner == dataset or companions:
            small = PERCENT in marks or owner != dataset
            label = read_column(table[column], Target.of(name), path, small=small)
            labels[name if owner == dataset else owner + COMPANION + name] = label
    ids, archs = _parse_architectures(table, space, path, may_repeat=bool(conditions))
    keys: dict[str, object] = {"id": ids, "arch": archs}
    if groups in table.columns:
        keys[GROUP] = table[groups].cast(pl.String)
    for name in conditions:
        if name in table.columns:
            keys[PREFIX + name] = _read_condition(table[name])
    frame = pl.DataFrame(keys | labels)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return frame, LabelSource(file=path.name, prefix=prefix, rows=len(frame), sha256=digest)


def _read_condition(column: pl.Series) -> pl.Series:
    """Read numbers as float64, and everything else as text."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    return column.cast(pl.String)


def _find_space(source: str, marked: Sequence[str], wanted: str) -> Space:
    if len(marked) > 1:
        raise InputError(f"got labels {source!r}; expected one space")
    if not marked and wanted == UNIVERSAL:
        raise InputError(
            f"got labels {source!r}; expected SPACE=FILE, since a universal forest learns from "
            f"several spaces: {', '.join(SPACES)}"
        )
    name = marked[0] if marked else wanted
    if wanted not in (name, UNIVERSAL):
        raise InputError(f"got labels of {name}; expected labels of {wanted}")
    return get_space(name)


def split_marks(source: str, known: Collection[str]) -> tuple[list[str], Path]:
    """Split ``MARK=MARK=FILE`` into marks and path.

    Parameters
    ----------
    source : str
        Marks and path. A path that exists has no marks, even if its name has an equals sign.
    known : collection of str
        Allowed marks.

    Returns
    -------
    marks : list of str
        Marks in order.
    path : pathlib.Path
        The rest.
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
    """Read a Parquet or CSV table.

    Parameters
    ----------
    path : pathlib.Path
        CSV if its name ends in ``.csv`` or ``.tsv``, else Parquet.
    text : collection of str, default=("arch",)
        Columns of a CSV table that are text, even if all values look like numbers.

    Returns
    -------
    polars.DataFrame

    Raises
    ------
    InvalidTableError
        If there is no such file, or it cannot be read.
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
    """Split the name of a column of labels.

    Parameters
    ----------
    name : str
        ``<dataset>.<target>``.

    Returns
    -------
    dataset : str
        Canonical name of the dataset.
    target : str
        Name of the target; empty if the column has none.
    """
    owner, _, target = name.partition(".")
    return canonical_name(owner), target


def _target_columns(
    table: pl.DataFrame, dataset: str, path: Path, prefix: str
) -> dict[str, tuple[str, str]]:
    """Dataset and target of each column of labels; the prefix is added to targets."""
    if "arch" not in table.columns:
        columns = abbreviate(", ".join(table.columns))
        raise InvalidTableError(f"{path} has no column 'arch'; it has {columns}")
    split = {column: split_column(column) for column in table.columns}
    names = {column: (owner, prefix + target) for column, (owner, target) in split.items()}
    labels = {column: name for column, name in names.items() if is_target(name[1])}
    first: dict[tuple[str, str], str] = {}
    for column, name in labels.items():
        if first.setdefault(name, column) != column:
            got = f"columns {first[name]!r} and {column!r}"
            raise InvalidTableError(f"{path}: got {got}; expected one for {'.'.join(name)}")
    if all(owner != dataset for owner, _ in labels.values()):
        owners = ", ".join(sorted({owner for owner, _ in labels.values()})) or "none"
        raise InvalidTableError(f"{path} has no labels for {dataset}; it has them for: {owners}")
    return labels


def read_column(column: pl.Series, target: Target, path: Path, *, small: bool = False) -> pl.Series:
    """Read a column of labels.

    Parameters
    ----------
    column : polars.Series
        Finite numbers within the bounds of the target; NaN is null. Percent that are all at most
        1 are refused as fractions. A column of zeros is accepted: a strong attack may succeed for
        every image.
    target : Target
        The target of the labels.
    path : pathlib.Path
        Path of the table, for error messages.
    small : bool, default=False
        Whether to accept percent that are all at most 1.

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
    """Describe the first value of a column that is no number."""
    if column.dtype != pl.String:
        return f"column {column.name!r} of {column.dtype}"
    numbers = column.cast(pl.Float64, strict=False)
    row = int((numbers.is_null() & column.is_not_null()).arg_true()[0])
    return f"{abbreviate(column[row])} in column {column.name!r}, row {row + 1}"


def _parse_architectures(
    table: pl.DataFrame, space: Space, path: Path, *, may_repeat: bool
) -> tuple[list[str], list[str]]:
    """Id and spelling of each row; the equivalence classes of the table are checked."""
    ids, archs = [], []
    for row, spec in enumerate(table["arch"].to_list(), start=1):
        try:
            parsed = space.parse(spec)
        except InvalidArchitectureError as error:
            raise InvalidTableError(f"{path}, row {row}: {error}") from None
        ids.append(parsed.id)
        archs.append(parsed.arch)
    repeated = pl.Series(archs).is_duplicated().arg_true()
    if len(repeated) and not may_repeat:
        arch = archs[repeated[0]]
        rows = [row for row, other in enumerate(archs, start=1) if other == arch]
        raise InvalidTableError(f"{path}: {arch} is there twice, in rows {rows[0]} and {rows[1]}")
    if FUNCTION_CLASS in table.columns:
        pairs = table.select(FUNCTION_CLASS, id=pl.Series(ids)).drop_nulls().unique()
        conflicts = pairs.filter(pl.any_horizontal(pl.all().is_duplicated())).sort("id")
        if len(conflicts):
            class_, id_ = conflicts.row(0)
            raise InvalidTableError(
                f"{path}: got {FUNCTION_CLASS} {class_} for {id_}, which is not the function class "
                "of the space; expected one number for each canonical architecture"
            )
    return ids, archs


def _merge(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Merge tables by architecture; a label may come from only one table."""
    stacked = pl.concat(tables, how="diagonal")
    targets = pl.exclude("id", "arch", GROUP)
    grouped = stacked.group_by("id", "arch", maintain_order=True)
    others = [pl.col(GROUP).drop_nulls().first()] if GROUP in stacked.columns else []
    counts = grouped.agg(targets.count())
    for name in counts.columns[2:]:
        twice = counts.filter(pl.col(name) > 1)
        if len(twice):
            got = f"{name} of {twice['arch'][0]}"
            raise InvalidTableError(f"got {got} from two label tables; expected it from one")
    return grouped.agg(*others, targets.drop_nulls().first())
