"""pyproject.toml declares every package that the code imports, in the right extra."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("acorn", "service", "training")
PARTS = {"pydantic-core": "pydantic", "starlette": "fastapi"}
"""Distributions that belong to another one, which is declared."""
EXTRAS = {
    "acorn": {"images", "timm"},
    "service": {"otel", "ray", "serve", "timm"},
    "training": {"evolve", "images", "ray", "report"},
}
"""What each package may need besides the dependencies that everybody installs."""


NO_STATEMENT = {"pillow", "psycopg", "timm"}
"""Distributions that no import statement names: they are imported by a text."""


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", each) for each in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


DEPENDENCIES = names(PROJECT["dependencies"])
DISTRIBUTIONS = packages_distributions()
OPTIONAL = {extra: names(each) for extra, each in PROJECT["optional-dependencies"].items()}


def imports(package: str) -> Iterator[tuple[str, str]]:
    """Give each module that a package imports from elsewhere, and the file that does."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            for module in modules:
                top = module.partition(".")[0]
                if top not in (*PACKAGES, *sys.stdlib_module_names):
                    yield top, str(path.relative_to(ROOT))


def distribution(module: str) -> str:
    """Distribution that has a module; the module's own name if it is not installed here."""
    if module == "opentelemetry":  # a namespace of many distributions
        return "opentelemetry-sdk"
    name = DISTRIBUTIONS.get(module, [module])[0].lower().replace("_", "-")
    return PARTS.get(name, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_declared(package: str) -> None:
    allowed = DEPENDENCIES.union(*(OPTIONAL[extra] for extra in EXTRAS[package]))
    undeclared = {
        (module, path) for module, path in imports(package) if distribution(module) not in allowed
    }
    assert undeclared == set()


def test_every_declared_package_is_imported() -> None:
    runtime = set.union(*EXTRAS.values())
    declared = DEPENDENCIES.union(*(OPTIONAL[extra] for extra in runtime))
    modules = {module for package in PACKAGES for module, _ in imports(package)}
    used = {distribution(module) for module in modules}
    unused = {name for name in declared - used - NO_STATEMENT if "opentelemetry" not in name}
    assert unused == set()


def test_the_server_packages_are_an_extra() -> None:
    assert {"fastapi", "uvicorn", "prometheus-client"} <= OPTIONAL["serve"]
    assert DEPENDENCIES & OPTIONAL["serve"] == set()


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", {"serve"}),
        ("requirements-test.lock", {"docs", "evolve", "images", "report", "serve", "test"}),
        (
            "requirements-extras.lock",
            {"bench", "evolve", "images", "otel", "ray", "report", "search", "serve", "timm"},
        ),
    ],
)
def test_the_locks_pin_what_is_declared(lock: str, extras: set[str]) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    assert all("==" in line for line in lines)
    wanted = DEPENDENCIES.union(*(OPTIONAL[extra] for extra in extras)) - {"acorn-nas"}
    assert wanted - pinned == set()
