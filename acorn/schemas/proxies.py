"""Schemas of requests for proxies and of their responses, independent of HTTP."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from acorn.schemas.predict_options import DatasetName
from acorn.schemas.prediction import FeatureSource, PlainSpec, ProxyProvenance


class ProxyOptions(BaseModel):
    """Options of a request for proxies, all with defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dataset: DatasetName = Field(
        "cifar10", description="Gives the size of the images and the number of classes."
    )
    proxies: list[str] | None = Field(
        None, min_length=1, description="Names of the proxies; by default all."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Seeds weights and noise.")


class ProxyOptionValues(TypedDict, total=False):
    """Keyword arguments of the client's methods: the fields of :class:`ProxyOptions`."""

    dataset: str
    proxies: str | Sequence[str] | None
    seed: int


class ProxyRequest(ProxyOptions):
    """A request for proxies; only ``architectures`` is required."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "architectures": [{"space": "nats_sss", "arch": "64:64:64:64:64"}],
                "dataset": "cifar10",
                "proxies": ["synflow", "nwot"],
                "seed": 0,
            }
        }
    )

    architectures: list[PlainSpec] = Field(min_length=1, description="Of any spaces.")


class ProxyResult(BaseModel):
    """The proxies of one architecture."""

    id: str = Field(description="Canonical id: the same for equivalent architectures.")
    space: str
    arch: str = Field(description="Canonical form.")
    proxies: dict[str, float | None] = Field(description="Value by name; null is unknown.")
    errors: dict[str, float] = Field(
        description="Standard error of each value that is a mean over draws."
    )
    reasons: dict[str, str] = Field(description="Why a value is null.")
    source: FeatureSource = Field(
        description="table: a bundle's; cache: computed before; computed: for this request."
    )
    seconds: float = Field(
        description="Time of the computation, of all features of the architecture; 0 if the "
        "values were known."
    )


class ProxyResponse(BaseModel):
    """Proxies in the order of the request."""

    results: list[ProxyResult]
    settings: ProxyProvenance
