"""The result files of timm (PyTorch Image Models): the folder ``results/`` of its repository.

===============================================  =================================================
``results-imagenet.csv``, ``-imagenet-real``,    ``model``, ``img_size``, ``top1`` in percent,
``-imagenetv2-matched-frequency``,               ``param_count``, ``crop_pct``, ``interpolation``
``-imagenet-a``, ``-imagenet-r``, ``-sketch``
``benchmark-infer-<precision>-<layout>-``        ``model``, ``infer_img_size``,
``pt<version>-<cuda or cpu>-<hardware>.csv``     ``infer_samples_per_sec``, ``infer_gmacs``,
                                                 ``infer_macts``, ``param_count``
``model_metadata-in1k.csv``                      ``model``, ``pretrain``
===============================================  =================================================

``model`` is ``architecture.tag``, where the tag names the weights: the recipe. Older files have no
tags.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from acorn.errors import InputError, InvalidTableError
from acorn.optional import need
from acorn.targets import Target
from training.labels.reading import read_column, read_file

logger = logging.getLogger(__name__)

DATASET = "imagenet1k"

RESULTS = {
    "clean": "results-imagenet.csv",
    "real": "results-imagenet-real.csv",
    "v2": "results-imagenetv2-matched-frequency.csv",
    "imagenet_a": "results-imagenet-a.csv",
    "imagenet_r": "results-imagenet-r.csv",
    "sketch": "results-sketch.csv",
}
"""File of each target."""

METADATA = ("model_metadata-in1k.csv", "model_metadata_in1k.csv")

PRETRAINING = {
    "web_scale": r"jft.*|ig1b|swag|wsl|swsl|seer",
    "image_text": r"clip|openai|laion.*|webli|m30m|m38m|datacompxl|dfn.*|metaclip",
    "imagenet_22k": r"in12k|in21k|in22k",
    "semi_supervised": r"ssl|ssld|yfcc?.*|semisl",
    "self_supervised": r"mae|dino.*|lvd.*|ijepa|selfsl",
    "distilled": r"dist|distilled",
}
"""What was used beside ImageNet-1k, by a part of the tag; the first category with a match counts,
and ``none`` if there is no match."""

_BENCHMARK = re.compile(
    r"benchmark-infer-(?P<precision>[a-z0-9_]+)-(?P<layout>nchw|nhwc)-pt(?P<version>\d+)"
    r"-(?P<backend>cu\d+|cpu)-(?P<hardware>[A-Za-z0-9_]+)(?P<compiled>-dynamo)?\.csv"
)
_NETWORK = ["arch", "image_size"]
_WEIGHTS = ["arch", "recipe", "image_size"]
_FACTS = {"params": "param_count", "crop_pct": "crop_pct", "interpolation": "interpolation"}


def import_timm(source: Path) -> pl.DataFrame:
    """Convert a folder of timm's result files to a label table.

    Parameters
    ----------
    source : pathlib.Path
        The folder. Files may be missing, except that there is one of accuracies or of speeds.

    Returns
    -------
    polars.DataFrame
        One row for each set of weights and image size: ``arch``, ``family``, ``recipe``,
        ``pretraining``, ``image_size``, ``crop_pct``, ``interpolation``, ``params``, ``gmacs`` and
        ``macts`` (millions and thousand millions), accuracies ``imagenet1k.<target>`` in percent
        and speeds ``imagenet1k.throughput.<device>`` in images per second. Speeds depend on the
        architecture and the image size, not on the weights. An architecture whose speed alone is
        known has a row without recipe and accuracies.

        ``family`` is the module of timm that defines the architecture, if timm is installed and
        has it, and the letters that its name begins with otherwise.

    Raises
    ------
    InvalidTableError
        If there is no such file, or one is truncated or malformed; the message names it.
    """
    accuracies = [
        _read_results(path, target)
        for target, name in RESULTS.items()
        if (path := source / name).is_file()
    ]
    speeds = [_read_speeds(path, device) for device, path in _newest_benchmarks(source).items()]
    if not accuracies and not speeds:
        raise InvalidTableError(
            f"got {source}; expected {RESULTS['clean']} or benchmark-infer-*.csv in it"
        )
    parts = [_merge(accuracies, _WEIGHTS)] if accuracies else []
    parts += [_merge(speeds, _NETWORK)] if speeds else []
    table = _merge(parts, _NETWORK)
    if "recipe" not in table.columns:
        table = table.with_columns(recipe=pl.lit(None, pl.String))
    pretraining, timm = _read_pretraining(source), _timm()
    families = {arch: _family(arch, timm) for arch in table["arch"].unique()}
    table = table.with_columns(
        family=pl.col("arch").replace_strict(families, return_dtype=pl.String),
        pretraining=pl.Series(
            [_pretraining(pretraining, *row) for row in table.select("arch", "recipe").rows()],
            dtype=pl.String,
        ),
    )
    first = ["arch", "family", "recipe", "pretraining", "image_size", "crop_pct", "interpolation"]
    first = [name for name in [*first, "params", "gmacs", "macts"] if name in table.columns]
    labels = [f"{DATASET}.{name}" for name in RESULTS]
    labels = [name for name in labels if name in table.columns]
    others = [name for name in table.columns if name not in (*first, *labels)]
    return table.select(*first, *labels, *others).sort("arch", "image_size", "recipe")


def device_name(file: str) -> str:
    """Name the device of a benchmark's file.

    Parameters
    ----------
    file : str
        Such as ``benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv``.

    Returns
    -------
    str
        ``<hardware>_<precision>``, such as ``rtx4090_amp``; then ``_nhwc`` if channels are last,
        and ``_dynamo`` on a GPU if the network was compiled. On CPUs, all files are of compiled
        networks. A number alone, such as ``4090``, is a GeForce RTX.

    Raises
    ------
    InvalidTableError
        If the file is named differently.
    """
    parts = _benchmark_parts(file)
    hardware = parts["hardware"].lower()
    name = f"{'rtx' if hardware.isdigit() else ''}{hardware}_{parts['precision']}"
    layout = "_nhwc" if parts["layout"] == "nhwc" else ""
    compiled = "_dynamo" if parts["compiled"] and parts["backend"] != "cpu" else ""
    return name + layout + compiled


def _benchmark_parts(file: str) -> Mapping[str, str]:
    if (match := _BENCHMARK.fullmatch(file)) is None:
        raise InvalidTableError(
            f"got {file}; expected "
            "benchmark-infer-<precision>-<nchw or nhwc>-pt<version>-<cu version or cpu>-<hardware>"
            "[-dynamo].csv"
        )
    return match.groupdict(default="")


def _newest_benchmarks(source: Path) -> dict[str, Path]:
    """The file of each device that was measured with the newest PyTorch."""
    paths = sorted(
        source.glob("benchmark-infer-*.csv"),
        key=lambda path: (int(_benchmark_parts(path.name)["version"]), path.name),
    )
    newest = {device_name(path.name): path for path in paths}
    for device, path in newest.items():
        logger.info("throughput.%s is from %s", device, path.name)
    return dict(sorted(newest.items()))


def _read_results(path: Path, target: str) -> pl.DataFrame:
    table = _read(path, {"top1": target, "img_size": "image_size"})
    facts = [_numbers(table, old, new, path) for new, old in _FACTS.items() if old in table.columns]
    name = f"{DATASET}.{target}"
    label = read_column(table["top1"], Target.of(target), path, small=True).alias(name)
    arch, recipe = _split_models(table["model"])
    size = _sizes(table["img_size"], path)
    return _distinct(pl.DataFrame([arch, recipe, size, *facts, label]), _WEIGHTS, path)


def _read_speeds(path: Path, device: str) -> pl.DataFrame:
    target = f"throughput.{device}"
    table = _read(path, {"infer_samples_per_sec": target, "infer_img_size": "image_size"})
    names = {"params": "param_count", "gmacs": "infer_gmacs", "macts": "infer_macts"}
    facts = [_numbers(table, old, new, path) for new, old in names.items() if old in table.columns]
    label = read_column(table["infer_samples_per_sec"], Target.of(target), path)
    arch, _ = _split_models(table["model"])
    columns = [arch, _sizes(table["infer_img_size"], path), *facts]
    columns.append(label.alias(f"{DATASET}.{target}"))
    # Older files have a row for each set of weights; the network, and its speed, are the same.
    return pl.DataFrame(columns).unique(_NETWORK, keep="first", maintain_order=True)


def _read(path: Path, needed: Iterable[str]) -> pl.DataFrame:
    table = read_file(path, text=("model", "interpolation"))
    missing = [name for name in ("model", *needed) if name not in table.columns]
    if missing:
        raise InvalidTableError(f"{path} has no column {', '.join(missing)}")
    if not path.read_bytes().endswith(b"\n"):
        raise InvalidTableError(f"{path} is truncated: its last line has no end")
    incomplete = table.select(pl.any_horizontal(pl.col("model", *needed).is_null())).to_series()
    if incomplete.any():
        row = int(incomplete.arg_true()[0]) + 1
        raise InvalidTableError(f"{path}: row {row} is incomplete; expected values in all columns")
    return table


def _split_models(models: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Architecture, and tag or null."""
    parts = models.str.split_exact(".", 1).struct.unnest()
    return parts["field_0"].alias("arch"), parts["field_1"].alias("recipe")


def _sizes(column: pl.Series, path: Path) -> pl.Series:
    try:
        return column.cast(pl.Int64).alias("image_size")
    except pl.exceptions.PolarsError:
        raise InvalidTableError(
            f"{path}: got column {column.name!r} of {column.dtype}; expected pixels"
        ) from None


def _numbers(table: pl.DataFrame, old: str, new: str, path: Path) -> pl.Series:
    """A column of numbers, in which timm writes commas between thousands."""
    column = table[old].alias(new)
    if column.dtype != pl.String or new == "interpolation":
        return column if new == "interpolation" else column.cast(pl.Float64)
    try:
        return column.str.replace_all(",", "").cast(pl.Float64)
    except pl.exceptions.PolarsError:
        raise InvalidTableError(f"{path}: got text in column {old!r}; expected numbers") from None


def _distinct(table: pl.DataFrame, keys: list[str], path: Path) -> pl.DataFrame:
    repeated = table.select(keys).is_duplicated().arg_true()
    if len(repeated):
        arch, recipe, size = table.select(keys).row(int(repeated[0]))
        model = arch if recipe is None else f"{arch}.{recipe}"
        raise InvalidTableError(f"{path}: {model} at {size} pixels is there twice")
    return table


def _merge(tables: Iterable[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    """Join tables; facts that several have are those of the first that knows them."""

    def joined(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
        both = left.join(
            right, on=keys, how="full", coalesce=True, nulls_equal=True, suffix=" of the other"
        )
        twice = [name for name in both.columns if name.endswith(" of the other")]
        return both.with_columns(
            pl.coalesce(name.removesuffix(" of the other"), name) for name in twice
        ).drop(twice)

    return reduce(joined, tables)


def _read_pretraining(source: Path) -> dict[str, str]:
    """What metadata says of each model; empty without the file."""
    for path in map(source.joinpath, METADATA):
        if path.is_file():
            table = read_file(path, text=("model", "pretrain"))
            if not {"model", "pretrain"} <= {*table.columns}:
                raise InvalidTableError(f"{path} has no columns model and pretrain")
            return dict(table.select("model", "pretrain").drop_nulls().rows())
    return {}


def _pretraining(metadata: Mapping[str, str], arch: str, recipe: str | None) -> str | None:
    """Category of the metadata of exactly these weights, else of their tag."""
    model = arch if recipe is None else f"{arch}.{recipe}"
    words = metadata.get(model, recipe)
    if words is None:
        return None
    parts = re.split(r"[-_]", words)
    return next(
        (
            category
            for category, pattern in PRETRAINING.items()
            if any(re.fullmatch(pattern, part) for part in parts)
        ),
        "none",
    )


def _timm() -> Any:
    """The package timm; None if it is not installed."""
    try:
        return need("timm", extra="timm")
    except InputError:
        return None


def _family(arch: str, timm: Any) -> str:
    if timm is not None and timm.is_model(arch):
        module = str(timm.model_entrypoint(arch).__module__).rpartition(".")[2]
        if not module.startswith("_"):  # a former name, which timm's registry itself defines
            return module
    letters = re.match(r"[a-z]*", arch.removeprefix("tf_").removeprefix("legacy_"))
    return (letters and letters[0]) or arch
