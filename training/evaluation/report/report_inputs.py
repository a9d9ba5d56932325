"""What a report is given besides the evaluation: learning curves, protocols, published results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from acorn.errors import InvalidTableError

PUBLISHED = Path(__file__).with_name("published.json")

T = TypeVar("T")

Text = Annotated[str, Field(min_length=1)]
Score = Annotated[float, Field(allow_inf_nan=False)]
Measure = Literal["kendall_tau", "spearman_rho", "r2", "mae"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CurvePoint(_Strict):
    """Kendall tau with some number of labels, of every draw of the labels."""

    labels: Annotated[int, Field(ge=1)]
    features: Text
    tau: Annotated[list[Score], Field(min_length=1)]


class _Setting(_Strict):
    """What a score is of; a published one and ours compare where all this agrees."""

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
    """A published score, None where only the protocol is taken over."""

    by: Text
    value: Score | None
    source: Text | None
    note: str = ""


class Ours(_Setting):
    """Our score under a protocol, with one of the splits that it leaves open."""

    split: Text
    value: Score
    std: Annotated[float, Field(ge=0)] | None = None
    n: int | None = None


Curves = Mapping[str, list[CurvePoint]]
"""Points of each target."""

_CURVES: TypeAdapter[dict[str, list[CurvePoint]]] = TypeAdapter(dict[str, list[CurvePoint]])
_OURS = TypeAdapter(list[Ours])
_PUBLISHED = TypeAdapter(list[Published])


def read_curves(path: Path) -> Curves:
    """Read learning curves, ``{target: [{"labels", "features", "tau": [...]}]}``.

    Raises
    ------
    InvalidTableError
        If the file is missing or is something else; so do the other readers.
    """
    return _read(path, _CURVES, "learning curves")


def read_protocols(path: Path) -> list[Ours]:
    """Read our scores under published protocols: a list of :class:`Ours`."""
    return _read(path, _OURS, "scores under protocols")


def read_published() -> list[Published]:
    """The published results that reports compare with."""
    return _read(PUBLISHED, _PUBLISHED, "published results")


def _read(path: Path, adapter: TypeAdapter[T], what: str) -> T:
    try:
        return adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidTableError(f"cannot read {what} from {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "/".join(map(str, first["loc"])) or "the whole"
        raise InvalidTableError(f"{path} holds no {what}: at {place}: {first['msg']}") from error
