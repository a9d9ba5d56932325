"""Cases: what one prediction is for, an architecture under conditions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic_core import to_json

from acorn.conditions import read_conditions
from acorn.datasets import Dataset, get_dataset
from acorn.forests import Bundle
from acorn.forests.bundle import image_size_of
from acorn.schemas.prediction import PredictRequest
from acorn.schemas.problems import ProblemItem
from acorn.spaces import Architecture
from acorn.strict_json import escape

Conditions = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True)
class Case(Architecture):
    """An architecture, and a value for each condition of a bundle.

    Attributes
    ----------
    conditions : mapping of str to int, float or str
        Empty for a bundle without conditions.
    key : str
        Equal for equivalent architectures under the same conditions; the id without conditions.
    row_id : str
        Key of the features of the architecture at its image size.
    """

    conditions: Conditions = field(hash=False)
    key: str
    row_id: str

    @classmethod
    def of(cls, architecture: Architecture, bundle: Bundle, conditions: Conditions) -> Self:
        """Make the case of an architecture.

        Parameters
        ----------
        architecture : Architecture
            As its space parsed it.
        bundle : Bundle
            The bundle that answers.
        conditions : mapping of str to int, float or str
            A value for each condition of the bundle.

        Returns
        -------
        Case
        """
        key = row_id = architecture.id
        if conditions:
            key = f"{key} {to_json(conditions).decode()}"
            row_id = bundle.row_id(row_id, conditions)
        fields = architecture.space, architecture.arch, architecture.canonical
        return cls(*fields, conditions, key, row_id)

    @classmethod
    def plain(cls, architecture: Architecture) -> Self:
        """Make the case of an architecture without conditions."""
        fields = architecture.space, architecture.arch, architecture.canonical
        return cls(*fields, {}, architecture.id, architecture.id)

    @property
    def image_size(self) -> int | None:
        """Height and width of the images; None for those of the dataset."""
        return image_size_of(self.conditions)

    def dataset(self, bundle: Bundle) -> Dataset:
        """Make the bundle's dataset with images of this case."""
        return get_dataset(bundle.dataset).at(self.image_size)


def make_cases(
    request: PredictRequest, architectures: Mapping[int, Architecture], bundle: Bundle
) -> tuple[list[Case], list[ProblemItem]]:
    """Give each architecture of a request its conditions.

    Parameters
    ----------
    request : PredictRequest
        Its conditions hold for all architectures; those of an architecture win.
    architectures : mapping of int to Architecture
        The valid architectures of the request, by position.
    bundle : Bundle
        The bundle that answers.

    Returns
    -------
    cases : list of Case
        One for each architecture, in order; its invalid conditions are left out.
    errors : list of ProblemItem
        One for each invalid condition.
    """
    errors = [*_errors(bundle, request.conditions, "")]
    shared = _valid(bundle, request.conditions)
    for index, spec in enumerate(request.architectures):
        errors += _errors(bundle, spec.conditions, f"/architectures/{index}")
    common = bundle.resolve(shared)
    cases = []
    for index, architecture in architectures.items():
        conditions = common
        if own := _valid(bundle, request.architectures[index].conditions):
            conditions = bundle.resolve(shared, own)
        cases.append(Case.of(architecture, bundle, conditions))
    return cases, errors


def _valid(bundle: Bundle, given: Mapping[str, object] | None) -> Conditions:
    return read_conditions(bundle.conditions, given)[0] if given else {}


def _errors(
    bundle: Bundle, given: Mapping[str, object] | None, parent: str
) -> Iterator[ProblemItem]:
    for name, detail in (read_conditions(bundle.conditions, given)[1] if given else {}).items():
        yield ProblemItem(pointer=f"{parent}/conditions/{escape(name)}", detail=detail)
