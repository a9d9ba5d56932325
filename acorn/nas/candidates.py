"""The architectures that a search of a space can evaluate.

A candidate is a canonical form. ``@SIZE`` after it is an image size, which wins over that of the
conditions.
"""

from dataclasses import dataclass
from functools import lru_cache

from acorn.conditions import IMAGE_SIZE
from acorn.datasets import get_dataset
from acorn.features.feature_table import FeatureTable, split_row_id
from acorn.forests import Bundle
from acorn.forests.bundle import Conditions
from acorn.spaces import Cost, Space


@dataclass(frozen=True, slots=True)
class KnownArchitecture:
    """An architecture whose features are in a table.

    Attributes
    ----------
    row_id : str
        Key of the row.
    arch : str
        Canonical form.
    image_size : int or None
        Image size of the row; None if the bundle does not read it.
    """

    row_id: str
    arch: str
    image_size: int | None

    @property
    def candidate(self) -> str:
        """The architecture at its image size, as searches name it."""
        return self.arch if self.image_size is None else f"{self.arch}@{self.image_size}"


def known_architectures(
    bundle: Bundle, space: str, table: FeatureTable | None = None
) -> list[KnownArchitecture]:
    """List the architectures of a space whose features are known.

    Parameters
    ----------
    bundle : Bundle
        Says whether the image size is a condition, and which sizes it accepts.
    space : str
        Name of the space.
    table : FeatureTable, optional
        By default the bundle's own.

    Returns
    -------
    list of KnownArchitecture
        If the bundle reads the image size, one for each size of an architecture.
    """
    prefix = f"{space}/"
    condition = next((c for c in bundle.conditions if c.name == IMAGE_SIZE), None)
    usual = None if condition is None else get_dataset(bundle.dataset).height
    ids = (id_ for id_ in (table or bundle.table).ids if id_.startswith(prefix))
    split = ((id_, *split_row_id(id_)) for id_ in ids)
    return [
        KnownArchitecture(id_, form.removeprefix(prefix), None if condition is None else size)
        for id_, form, size in ((id_, form, size or usual) for id_, form, size in split)
        if condition is None or condition.accepts(size)
    ]


def find_candidates(
    bundle: Bundle,
    space: Space,
    conditions: Conditions,
    evaluations: int,
    table: FeatureTable | None = None,
) -> list[str] | None:
    """List the candidates of a space that can be evaluated completely.

    Parameters
    ----------
    bundle : Bundle
        The bundle that predicts them.
    space : Space
        Space to search.
    conditions : mapping of str to int, float or str
        Given conditions; without an image size, all sizes of a table are candidates.
    evaluations : int
        Most architectures whose features may be computed.
    table : FeatureTable, optional
        Known features; by default the bundle's own table.

    Returns
    -------
    list of str or None
        The whole space if all of its features are known, or if it has at most ``evaluations``
        members. The known architectures of a space that can be neither listed nor mutated. Else
        None: the space has to be searched step by step.
    """
    if space.size is not None:
        names = {known.arch for known in known_architectures(bundle, space.name, table)}
        if space.size <= evaluations or names:
            members = list_members(space)
            if len(members) <= evaluations or names.issuperset(members):
                return [*members]
        return None
    if has_mutations(space):
        return None
    wanted = conditions.get(IMAGE_SIZE)
    return [
        known.candidate
        for known in known_architectures(bundle, space.name, table)
        if wanted is None or known.image_size in (None, wanted)
    ] or None


def has_mutations(space: Space) -> bool:
    """Whether a space can change one choice of an architecture."""
    return type(space).mutate is not Space.mutate


def can_be_drawn(space: Space) -> bool:
    """Whether a space can list or sample architectures."""
    own = type(space)
    return own.sample is not Space.sample or own.enumerate is not Space.enumerate


@lru_cache(maxsize=8)
def list_members(space: Space) -> tuple[str, ...]:
    """List the canonical forms of a space, each once, sorted; takes seconds for a large space."""
    return tuple(sorted({space.parse(arch).canonical for arch in space.enumerate()}))


def table_cost(space: Space, table: FeatureTable, row_id: str) -> Cost | None:
    """Find the cost of a network whose space needs a package to compute it.

    Parameters
    ----------
    space : Space
    table : FeatureTable
    row_id : str
        Key of the row.

    Returns
    -------
    Cost or None
        None if the space computes it itself, or the table lacks it.
    """
    row = table.row(row_id) if space.needs_package else None
    return None if row is None else row.cost


def candidate_spec(space: str, candidate: str) -> dict[str, object]:
    """Write a candidate as a request does: space, form, and the image size if it has one."""
    form, image_size = split_row_id(candidate)
    spec: dict[str, object] = {"space": space, "arch": form}
    return spec if image_size is None else spec | {"conditions": {IMAGE_SIZE: image_size}}
