"""A request that is understood: what is to be predicted, and what answers."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

from pydantic_core import to_json

from acorn.schemas.prediction import PredictRequest
from acorn.spaces import Architecture
from service.repository.served_bundle import ServedBundle

RESOLVED = frozenset({"architectures", "dataset", "forest", "targets"})
"""Fields of a request that stand in a key as what they came to: an id, a forest, its targets."""


@dataclass(frozen=True)
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
    forest: ServedBundle
    targets: tuple[str, ...]

    def key(self, id_: str) -> Hashable:
        """All that the answer for a function depends on."""
        return self.forest.digest, id_, self.targets, self._options

    @cached_property
    def _options(self) -> bytes:
        # All fields that are not resolved, so that one that is added later is in the key at once: a
        # field too many costs an answer that might have been kept, one too few gives a wrong one.
        names = [name for name in type(self.request).model_fields if name not in RESOLVED]
        return to_json({name: getattr(self.request, name) for name in names})
