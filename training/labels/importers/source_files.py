"""Reads a source of an importer and names it in every error."""

import json
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from acorn.errors import InvalidTableError

T = TypeVar("T")


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : pathlib.Path
        File in UTF-8.

    Returns
    -------
    object
        Its content.
    """
    return json.loads(path.read_text("utf-8"))


def read_source(
    path: Path, parse: Callable[[Any], T], load: Callable[[Path], Any] = load_json
) -> T:
    """Load a file and convert its content.

    Parameters
    ----------
    path : pathlib.Path
        File to read.
    parse : callable
        Converts the content.
    load : callable, default=load_json
        Reads the file.

    Returns
    -------
    object
        What ``parse`` returns.

    Raises
    ------
    InvalidTableError
        If the file is missing, or ``load`` or ``parse`` fails; the message names the file.
    """
    try:
        return parse(load(path))
    except FileNotFoundError:
        raise InvalidTableError(f"there is no {path}") from None
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidTableError(f"{path} is malformed: {error!r}") from error


def read_isomorphs(meta: Any) -> dict[str, str]:
    """Read which network was measured for each one, from a ``meta.json`` for NAS-Bench-201.

    Parameters
    ----------
    meta : dict
        Content of the file: ``{"ids": {"0": {"nb201-string": "|...|", "isomorph": "0"}, ...}}``.

    Returns
    -------
    dict
        The id of the measured network by architecture.
    """
    return {network["nb201-string"]: network["isomorph"] for network in meta["ids"].values()}


def join_by_arch(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join tables of different columns by architecture.

    Parameters
    ----------
    tables : iterable of polars.DataFrame
        Tables with ``arch``, at least one.

    Returns
    -------
    polars.DataFrame
        All architectures, in the order in which they appear first.
    """

    def join(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
        return left.join(right, on="arch", how="full", coalesce=True, maintain_order="left_right")

    return reduce(join, tables)
