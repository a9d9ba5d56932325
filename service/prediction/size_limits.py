"""Limits on the size of networks, checked on their specification before they are built."""

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
    params : float
        Millions of parameters.
    flops : float
        Millions of multiply-accumulates for one image.
    """

    params: float
    flops: float

    def refuse(
        self, architectures: Mapping[str, Architecture], dataset: str
    ) -> dict[str, InputError]:
        """Find the networks that are too large or cannot be built.

        Parameters
        ----------
        architectures : mapping of str to Architecture
            By id.
        dataset : str

        Returns
        -------
        dict of str to InputError
            Errors by id.
        """
        refused: dict[str, InputError] = {}
        for id_, each in architectures.items():
            try:
                size = cost(each.space, each.canonical, get_dataset(dataset))
            except InputError as error:  # it cannot be built
                refused[id_] = error
                continue
            for what, got, most in (
                ("parameters", size.params, self.params),
                ("multiply-accumulates for one image", size.flops, self.flops),
            ):
                if got > most:
                    refused[id_] = InputError(
                        f"got a network of {got:.6g} million {what}; expected at most {most:g}"
                    )
        return refused
