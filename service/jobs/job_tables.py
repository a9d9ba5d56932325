"""The results of a job as one table, one row per architecture, for spreadsheets and data frames."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import polars as pl

TableForm = Literal["csv", "parquet"]
"""File formats of a table."""


def write_table(chunks: Iterable[Sequence[str]], form: TableForm) -> bytes:
    """Write the results of a job as a table.

    Its columns are ``index``, ``id``, ``space``, ``arch``; the conditions that the forest reads;
    for each target ``<target>``, ``<target>.lower`` and ``<target>.upper``; ``in_domain``,
    ``domain_score``, ``feature_source``, ``params``, ``flops``; ``feature.<name>`` and
    ``proxy.<name>`` for each feature and each proxy that the request asked for; and ``error``. A
    job of proxies has the columns ``index``, ``id``, ``space``, ``arch``, ``source``,
    ``proxy.<name>`` and ``error``. Missing values are null. Attributions are left out.

    Parameters
    ----------
    chunks : iterable of sequence of str
        Lines of results, in order, some at a time.
    form : {"csv", "parquet"}
        File format.

    Returns
    -------
    bytes
        The file.
    """
    frames = [
        pl.DataFrame([result_row(json.loads(line)) for line in chunk], infer_schema_length=None)
        for chunk in chunks
    ]
    table = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
    if "error" in table.columns:
        table = table.select(pl.exclude("error"), "error")
    output = io.BytesIO()
    if form == "csv":
        table.write_csv(output)
    else:
        table.write_parquet(output)
    return output.getvalue()


def result_row(line: Mapping[str, Any]) -> dict[str, Any]:
    """Make the row of a table from a result.

    Parameters
    ----------
    line : mapping
        A :class:`~acorn.schemas.jobs.ResultLine` as JSON.

    Returns
    -------
    dict of str to object
        Values by column.
    """
    row: dict[str, Any] = {"index": line["index"]}
    if (prediction := line.get("prediction")) is not None:
        row |= {name: prediction[name] for name in ("id", "space", "arch")}
        row |= prediction["conditions"]
        for name, target in prediction["targets"].items():
            row |= {name: target["value"]}
            row |= {f"{name}.{bound}": target[bound] for bound in ("lower", "upper")}
        row |= {name: prediction[name] for name in ("in_domain", "domain_score", "feature_source")}
        row |= prediction["submitted"]
        row |= {f"feature.{name}": value for name, value in prediction["features"].items()}
        row |= _proxies(prediction)
    if (result := line.get("result")) is not None:
        row |= {name: result[name] for name in ("id", "space", "arch", "source")}
        row |= _proxies(result)
    return row | {"error": (line.get("error") or {}).get("detail")}


def _proxies(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {f"proxy.{name}": value for name, value in (answer.get("proxies") or {}).items()}
