"""Packages that only some commands need."""

import importlib.util

from acorn.errors import InputError


def need(package: str, *, extra: str) -> None:
    """Raise :class:`~acorn.errors.InputError` unless a package is there.

    Parameters
    ----------
    package
        Name to import.
    extra
        What to install Acorn with to have it.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"this needs the package {package}, which is not installed "
            f"(pip install 'acorn-nas[{extra}]')"
        )
