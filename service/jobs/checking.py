"""Checking the architectures of a job, slice by slice."""

from collections.abc import Mapping
from typing import Any

from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError
from service.prediction.predictor import Predictor
from service.repository.served_bundle import ServedBundle

MOST_LISTED = 100
"""Invalid items that an error lists."""

SLICE = 1_000
"""Architectures that are checked at a time, which bounds the memory."""

_LIST = "/architectures"


class Errors:
    """Invalid items: the first are listed, all are counted."""

    def __init__(self) -> None:
        self.listed: list[ProblemItem] = []
        self.count = 0
        self._general: set[tuple[str, str]] = set()

    def add(self, pointer: str, detail: str) -> None:
        """Add an item; one that is no architecture counts once."""
        if not pointer.startswith(f"{_LIST}/"):  # every slice reports it
            if (pointer, detail) in self._general:
                return
            self._general.add((pointer, detail))
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(ProblemItem(pointer=pointer, detail=detail))


def check_all(
    kind: str,
    options: Mapping[str, Any],
    items: Mapping[int, object],
    predictor: Predictor,
    errors: Errors,
) -> dict[str, str] | None:
    """Check slice by slice, at least once.

    Parameters
    ----------
    kind : {"predictions", "proxies"}
        What the options are of.
    options : mapping
        The request without its architectures.
    items : mapping of int to object
        Architectures by their index in the request.
    predictor : Predictor
        Checks them.
    errors : Errors
        Receives every invalid item.

    Returns
    -------
    dict of str to str or None
        The options that all parts must have; None if there are errors.
    """
    choice: dict[str, str] | None = None
    indices = [*items]
    for start in range(0, max(1, len(indices)), SLICE):
        chosen = indices[start : start + SLICE]
        document = {
            **options,
            "architectures": [items[index] for index in chosen],
            **(choice or {}),
        }
        if not chosen and errors.count:
            break
        try:
            if kind == "proxies":
                choice = {"dataset": predictor.proxies.check(document)}
            else:
                choice = _choice(options, predictor.check(document, total=len(items)))
        except InvalidRequestError as error:
            for item in error.errors:
                moved = item.moved(chosen.__getitem__)
                errors.add(moved.pointer, moved.detail)
    return choice


def _choice(options: Mapping[str, Any], forest: ServedBundle) -> dict[str, str]:
    """Options that choose the same forest again, or a newer version of it."""
    return {"forest": options.get("forest") or forest.name, "dataset": forest.bundle.dataset}
