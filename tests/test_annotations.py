"""Calls of Acorn's functions are checked against their annotations in every test."""

from collections.abc import Callable
from typing import Any, Self, cast

import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintReturnViolation
from jaxtyping import TypeCheckError

from acorn.forests._trees.packed import round_down
from acorn.learning.evaluation_metrics import tau
from acorn.proxies._math.layout import laid_out
from tests import check_types


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (laid_out, [torch.zeros(3, 8, 8)]),  # dimensions
        (laid_out, [torch.zeros(2, 3, 8, 8, dtype=torch.int64)]),  # type of the numbers
        (tau, [np.zeros(3), np.zeros(4)]),  # one size of two names
        (round_down, [np.zeros(3, np.float32)]),
        (laid_out, ["images"]),
    ],
)
def test_arguments_are_checked(function: Callable[..., Any], arguments: list[Any]) -> None:
    with pytest.raises(TypeCheckError, match="whilst typechecking parameter"):
        function(*arguments)


class Copied:
    @check_types
    def copy(self, *, right: bool) -> Self:
        return type(self)() if right else cast(Self, 0)


def test_a_method_that_returns_self_is_checked() -> None:
    assert isinstance(Copied().copy(right=True), Copied)
    with pytest.raises(BeartypeCallHintReturnViolation):
        Copied().copy(right=False)
