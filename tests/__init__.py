"""Tests of Acorn, in which every call checks its arguments and its result against the annotations.

pyproject.toml hands `check_types` to jaxtyping's plugin for pytest.
"""

from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, FrozenDict, beartype


def check_types(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function raise an error if a call does not match its annotations."""
    class_name = f"{function.__module__}.{function.__qualname__.rpartition('.')[0]}"
    conf = BeartypeConf(
        hint_overrides=FrozenDict({Self: class_name}),  # it knows Self in decorated classes only
        is_pep484_tower=True,  # an int is a float, as for mypy
        is_random=False,  # leaves the state of Python's generator alone
    )
    return beartype(conf=conf)(function)
