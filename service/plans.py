"""A request that is understood: what is to be predicted, and what answers."""

from collections.abc import Hashable
from dataclasses import dataclass

from models.spaces import Architecture
from service.forests import Forest
from service.schemas import PredictRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module's description.

    Attributes
    ----------
    request
        As it was sent.
    architectures
        In its order; several may be one function.
    distinct
        The first architecture of each function, by id.
    forest
        What answers.
    targets
        What it predicts.
    """

    request: PredictRequest
    architectures: list[Architecture]
    distinct: dict[str, Architecture]
    forest: Forest
    targets: tuple[str, ...]

    def key(self, id_: str) -> Hashable:
        """All that the answer for a function depends on."""
        wanted = self.request
        shown = (wanted.interval, wanted.explain, wanted.features)
        return self.forest.digest, id_, shown, self.targets
