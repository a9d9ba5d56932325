"""Read and write data frames of polars, pandas and other libraries, with narwhals."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acorn.client.errors import ValidationProblem
from acorn.errors import InputError, abbreviate
from acorn.schemas.prediction import ArchitectureSpec, Prediction

if TYPE_CHECKING:
    import narwhals as nw
    import polars as pl
    from narwhals.typing import IntoDataFrame, IntoDataFrameT

# narwhals and polars are imported when the first frame is read.


@dataclass(frozen=True, slots=True)
class Group:
    """The architectures of one space, and their rows in the frame."""

    specs: list[ArchitectureSpec]
    rows: list[int]

    @contextmanager
    def pointing(self) -> Iterator[None]:
        """Make validation errors point to the rows of the frame."""
        try:
            yield
        except ValidationProblem as error:
            raise error.moved(self.rows.__getitem__) from None


def specs_of(frame: "IntoDataFrame") -> list[ArchitectureSpec]:
    """Read architectures from the columns ``space`` and ``arch`` of a data frame.

    An ``arch`` that begins with a brace is JSON: an object of the space ``graph``. A column of
    integers or of lists is read as well.

    Parameters
    ----------
    frame : data frame
        Of polars, pandas, or another library that narwhals supports.

    Returns
    -------
    list of ArchitectureSpec
        One for each row, in order.

    Raises
    ------
    InputError
        If a column or a value is missing, or is not an architecture.
    """
    table = _open(frame)
    if missing := [name for name in ("space", "arch") if name not in table.columns]:
        raise InputError(
            f"got a frame with the columns {', '.join(table.columns) or '(none)'}; "
            f"expected {' and '.join(missing)} as well"
        )
    pairs = zip(table["space"].to_list(), table["arch"].to_list(), strict=True)
    return [_spec(row, space, arch) for row, (space, arch) in enumerate(pairs)]


def groups_of(frame: "IntoDataFrame") -> list[Group]:
    """Group the rows of a frame by space, since one forest answers a request."""
    groups: dict[str, Group] = {}
    for row, spec in enumerate(specs_of(frame)):
        group = groups.setdefault(spec.space, Group([], []))
        group.specs.append(spec)
        group.rows.append(row)
    return [*groups.values()]


def answer(
    frame: "IntoDataFrameT",
    groups: Sequence[Group],
    predictions: Sequence[Sequence[Prediction]],
) -> "IntoDataFrameT":
    """Write predictions as a frame of the same library, one for each row.

    Parameters
    ----------
    frame : data frame
        The architectures.
    groups : sequence of Group
        Its rows by space, as :func:`groups_of` returns them.
    predictions : sequence of sequences of Prediction
        The predictions of each group.

    Returns
    -------
    data frame
        See :meth:`acorn.client.Client.predict_frame`.
    """
    import narwhals as nw

    table = _open(frame)
    by_row: dict[int, Prediction] = {}
    for group, answers in zip(groups, predictions, strict=True):
        by_row |= dict(zip(group.rows, answers, strict=True))
    ordered = [by_row[row] for row in range(len(table))]
    columns: dict[str, list[Any]] = {"id": [prediction.id for prediction in ordered]}
    targets = dict.fromkeys(name for prediction in ordered for name in prediction.targets)
    for target in targets:
        for suffix, field in (("", "value"), (".lower", "lower"), (".upper", "upper")):
            columns[target + suffix] = [
                getattr(prediction.targets.get(target), field, None) for prediction in ordered
            ]
    columns["in_domain"] = [prediction.in_domain for prediction in ordered]
    columns["domain_score"] = [prediction.domain_score for prediction in ordered]
    dtypes: Mapping[str, Any] = {"id": nw.String, "in_domain": nw.Boolean}
    result = table.select("space", "arch").with_columns(
        nw.new_series(name, values, dtypes.get(name, nw.Float64), backend=table.implementation)
        for name, values in columns.items()
    )
    return result.to_native()


def read_table(content: bytes) -> "pl.DataFrame":
    """Read the server's table of results (Parquet)."""
    import polars as pl

    return pl.read_parquet(io.BytesIO(content))


def _open(frame: "IntoDataFrame") -> "nw.DataFrame[Any]":
    import narwhals as nw

    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError:
        raise InputError(
            f"got {type(frame).__name__}; expected a data frame, such as of polars or pandas"
        ) from None


def _spec(row: int, space: object, arch: object) -> ArchitectureSpec:
    if (
        not isinstance(space, str)
        or not isinstance(arch, str | int | list)
        or isinstance(arch, bool)
    ):
        raise InputError(
            f"got {abbreviate(space)} and {abbreviate(arch)} in row {row}; "
            "expected a space as text, and an architecture as text, an integer or a list"
        )
    if not isinstance(arch, str) or not arch.startswith("{"):
        return ArchitectureSpec(space=space, arch=arch)
    try:
        return ArchitectureSpec(space=space, arch=json.loads(arch))
    except ValueError as error:
        raise InputError(
            f"got an architecture that is not JSON in row {row}: {error}; "
            "expected JSON, since it begins with a brace"
        ) from None
