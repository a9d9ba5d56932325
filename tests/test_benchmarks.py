"""Benchmarks are run by hand, so that nothing else would notice one that does not even start."""

import importlib
import pkgutil

import pytest

import benchmarks

OPTIONAL = {"moocore", "ray", "timm", "treelite"}


@pytest.mark.parametrize(
    "name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
)
def test_every_benchmark_can_be_imported(name: str) -> None:
    try:
        importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"needs {error.name}, which is an extra")
