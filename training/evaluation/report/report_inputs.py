"""Inputs of a report besides the evaluation: learning curves, protocols, published results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from training.json_files import read_json

PUBLISHED = Path(__file__).with_name("published.json")

Text = Annotated[str, Field(min_length=1)]
Score = Annotated[float, Field(allow_inf_nan=False)]
Measure = Literal["kendall_tau", "spearman_rho", "r2", "mae"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CurvePoint(_Strict):
    """Kendall tau of every draw of a number of labels.

    Attributes
    ----------
    labels : int
        Number of labelled architectures.
    features : str
        Name of the set of features.
    tau : list of float
        Kendall tau of each draw.
    """

    labels: Annotated[int, Field(ge=1)]
    features: Text
    tau: Annotated[list[Score], Field(min_length=1)]


class _Setting(_Strict):
    """What a score measures; a published score and ours are compared if these fields agree."""

    protocol: Text
    space: Text
    dataset: Text
    target: Text
    measure: Measure = "kendall_tau"

    @property
    def setting(self) -> tuple[str, ...]:
        """The fields that have to agree."""
        return self.protocol, self.space, self.dataset, self.target, self.measure


class Published(_Setting):
    """A published score under a protocol.

    Attributes
    ----------
    by : str
        Who published it.
    value : float or None
        Score; None if only the protocol is used.
    source : str or None
        Address of the publication.
    note : str, default=""
        Remark for the page.
    """

    by: Text
    value: Score | None
    source: Text | None
    note: str = ""


class Ours(_Setting):
    """Our score under a protocol.

    Attributes
    ----------
    split : str
        One of the splits that the protocol allows.
    value : float
        Mean score.
    std : float or None, default=None
        Standard deviation over draws.
    n : int or None, default=None
        Number of draws.
    """

    split: Text
    value: Score
    std: Annotated[float, Field(ge=0)] | None = None
    n: int | None = None


Curves = Mapping[str, list[CurvePoint]]
"""Points of each target."""


def read_curves(path: Path) -> Curves:
    """Read learning curves: ``{target: [{"labels", "features", "tau": [...]}]}``.

    Parameters
    ----------
    path : pathlib.Path
        JSON file.

    Returns
    -------
    Mapping
        Points of each target.

    Raises
    ------
    InvalidTableError
        If the file is missing or holds something else.
    """
    return read_json(path, dict[str, list[CurvePoint]], "learning curves")


def read_protocols(path: Path) -> list[Ours]:
    """Read our scores under published protocols.

    Parameters
    ----------
    path : pathlib.Path
        JSON file: a list of :class:`Ours`.

    Returns
    -------
    list of Ours

    Raises
    ------
    InvalidTableError
        If the file is missing or holds something else.
    """
    return read_json(path, list[Ours], "scores under protocols")


def read_published() -> list[Published]:
    """Read the published results that reports compare with."""
    return read_json(PUBLISHED, list[Published], "published results")
