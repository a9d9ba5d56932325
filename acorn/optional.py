"""Packages that come with an extra of Acorn."""

from importlib import import_module
from typing import Any

from acorn.errors import InputError


def need(package: str, *, extra: str) -> Any:
    """Import a package that may not be installed.

    Parameters
    ----------
    package : str
        Name to import.
    extra : str
        Extra of Acorn that installs it.

    Returns
    -------
    module
        The package.

    Raises
    ------
    InputError
        If the package is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        name = package.partition(".")[0]
        if error.name not in (name, package):  # an installed package that is broken
            raise
    raise InputError(
        f"this needs the package {name}, which is not installed (pip install 'acorn-nas[{extra}]')"
    )
