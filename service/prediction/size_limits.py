"""Which networks are too large to compute here, by arithmetic on their specification."""

from collections.abc import Mapping
from dataclasses import dataclass

from acorn.datasets import get_dataset
from acorn.errors import InputError
from acorn.spaces import Architecture
from service.prediction.isolated_process import cost


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Bounds on networks whose features have to be computed.

    Attributes
    ----------
    params
        Millions of parameters.
    flops
        Millions of multiply-accumulates for one image.
    """

    params: float
    flops: float

    def refuse(
        self, architectures: Mapping[str, Architecture], dataset: str
    ) -> dict[str, InputError]:
        """Find those that are too large, each with what it has and what it may have."""
        refused: dict[str, InputError] = {}
        for id_, each in architectures.items():
            try:
                found = cost(each.space, each.canonical, get_dataset(dataset))
            except InputError as error:  # it cannot be built at all
                refused[id_] = error
                continue
            for what, got, most in (
                ("parameters", found.params, self.params),
                ("multiply-accumulates for one image", found.flops, self.flops),
            ):
                if got > most:
                    refused[id_] = InputError(
                        f"got a network of {got:.6g} million {what}; expected at most {most:g}"
                    )
        return refused
