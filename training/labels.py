"""Label tables: measured accuracies of architectures, from one file or several.

A table has a column ``arch`` and columns ``<dataset>.<target>`` in percent, null where nothing was
measured. Columns of another kind (parameter counts, latencies, class numbers) are left alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.errors import InputError, InvalidArchitectureError, InvalidTableError, abbreviate
from models.forests.manifest import LabelSource
from models.forests.targets import ADVERSARIAL, is_target
from models.spaces import SPACES, UNIVERSAL, Space, get_space

FUNCTION_CLASS = "function_class"

COMPANION = "/"
"""Stands between dataset and target in the names of labels on other datasets."""


@dataclass(frozen=True)
class Labels:
    """Labels of architectures of one space on one dataset.

    Attributes
    ----------
    space, dataset
        Names.
    frame
        One row an architecture: ``id`` of its function, ``arch`` as its space spells it, and a
        nullable float64 column for each target, and for each target on another dataset that was
        asked for, ``<dataset>/<target>``.
    sources
        Where they came from.
    """

    space: str
    dataset: str
    frame: pl.DataFrame
    sources: tuple[LabelSource, ...]

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return [name for name in self.frame.columns[2:] if COMPANION not in name]

    @property
    def companions(self) -> list[str]:
        """Names of the targets on other datasets: the same functions, other training runs."""
        return [name for name in self.frame.columns[2:] if COMPANION in name]

    @property
    def ids(self) -> list[str]:
        """The function of each row."""
        return self.frame["id"].to_list()

    def matrix(self, targets: Sequence[str]) -> NDArray[np.float64]:
        """Labels of shape (rows, targets), NaN where there is none."""
        return self.frame.select(targets).to_numpy().astype(np.float64)

    def by_function(self) -> "Labels":
        """One row a function: the mean over its twins, with the smallest spelling as ``arch``.

        Twins are trained one by one, so their mean is a better measurement of what they share.
        """
        labels = pl.exclude("id", "arch").mean()
        frame = self.frame.group_by("id").agg(pl.col("arch").min(), labels)
        return Labels(self.space, self.dataset, frame.sort("id"), self.sources)

    def only(self, ids: set[str]) -> "Labels":
        """The rows of some functions."""
        frame = self.frame.filter(pl.col("id").is_in(list(ids)))
        return Labels(self.space, self.dataset, frame, self.sources)


def read_labels(
    sources: Sequence[str], *, space: str, dataset: str, companions: bool = False
) -> Labels:
    """Read and merge label tables.

    Parameters
    ----------
    sources
        Parquet or CSV files. ``adv=FILE`` reads labels of adversarially trained networks: their
        targets get the prefix ``adv.``. ``SPACE=FILE`` says whose architectures a table has,
        ``SPACE=adv=FILE`` both.
    space
        Name of the space of all architectures; ``"universal"`` for those of several, each of
        which is then named.
    dataset
        Whose columns to take.
    companions
        Take the columns of other datasets, too.

    Raises
    ------
    InvalidTableError
        For a table that cannot be used: says which file, which row or column, and why.
    """
    if not sources:
        raise InputError("got no label table; expected at least one")
    tables, origins = zip(
        *(_read_one(source, space, dataset, companions=companions) for source in sources),
        strict=True,
    )
    return Labels(space, dataset, _merge(tables), tuple(origins))


def _read_one(
    source: str, wanted: str, dataset: str, *, companions: bool
) -> tuple[pl.DataFrame, LabelSource]:
    space, rest = _owner(source, wanted)
    adversarial = rest.startswith("adv=") and not Path(rest).exists()
    path = Path(rest.removeprefix("adv=") if adversarial else rest)
    table = read_file(path)
    prefix = ADVERSARIAL if adversarial else ""
    names = {
        column: ("" if owner == dataset else owner + COMPANION) + prefix + target
        for column, owner, target in _target_columns(table, dataset, path)
        if owner == dataset or companions
    }
    labels = table.select(
        _percent(table[column], path).alias(name) for column, name in names.items()
    )
    ids, archs = _functions(table, space, path)
    frame = labels.select(pl.Series("id", ids), pl.Series("arch", archs), pl.all())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return frame, LabelSource(file=path.name, prefix=prefix, rows=len(frame), sha256=digest)


def _owner(source: str, wanted: str) -> tuple[Space, str]:
    """Space of a table's architectures, and the rest of its source."""
    named, equals, rest = source.partition("=")
    if not equals or named not in SPACES or Path(source).exists():
        if wanted == UNIVERSAL:
            raise InputError(
                f"got labels {source!r}; expected SPACE=FILE, since a universal forest learns from "
                f"several spaces: {', '.join(SPACES)}"
            )
        return get_space(wanted), source
    if wanted not in (named, UNIVERSAL):
        raise InputError(f"got labels of {named}; expected labels of {wanted}")
    return get_space(named), rest


def read_file(path: Path) -> pl.DataFrame:
    """Read a Parquet or CSV table; raises InvalidTableError."""
    if not path.is_file():
        raise InvalidTableError(f"no label table at {path}")
    try:
        if path.suffix == ".csv":
            # An architecture may be all digits, with zeros in front.
            text = {"arch": pl.String}
            return pl.read_csv(path, infer_schema_length=None, schema_overrides=text)
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise InvalidTableError(f"{path} is no Parquet or CSV table: {first}") from error


def _target_columns(table: pl.DataFrame, dataset: str, path: Path) -> list[tuple[str, str, str]]:
    """Columns with labels, and dataset and target of each."""
    if "arch" not in table.columns:
        raise InvalidTableError(f"{path} has no column 'arch'; it has {_some(table.columns)}")
    split = [(column, *column.partition(".")[::2]) for column in table.columns]
    labels = [each for each in split if is_target(each[2])]
    if all(owner != dataset for _, owner, _ in labels):
        owners = ", ".join(sorted({owner for _, owner, _ in labels})) or "none"
        raise InvalidTableError(f"{path} has no labels for {dataset}; it has them for: {owners}")
    return labels


def _percent(column: pl.Series, path: Path) -> pl.Series:
    try:
        values = column.cast(pl.Float64).fill_nan(None)
    except pl.exceptions.PolarsError:
        got = f"column {column.name!r} of {column.dtype}"
        raise InvalidTableError(f"{path}: got {got}; expected percent") from None
    outside = values.is_between(0, 100).not_().fill_null(False).arg_true()
    if len(outside):
        row = int(outside[0])
        got = f"{values[row]} in column {column.name!r}, row {row + 1}"
        raise InvalidTableError(f"{path}: got {got}; expected percent, 0 to 100")
    return values


def _functions(table: pl.DataFrame, space: Space, path: Path) -> tuple[list[str], list[str]]:
    """Id and spelling of each row, held against the table's own classes of functions."""
    ids, archs = [], []
    for row, spec in enumerate(table["arch"], start=1):
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
