"""Schemas of prediction requests and responses, independent of HTTP."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from acorn.conditions import Condition, ConditionValue
from acorn.schemas.predict_options import MOST_CONDITIONS, PredictOptions
from acorn.targets import COST_UNIT, Target

FeatureSource = Literal["table", "cache", "computed"]

MOST_RELATED = 50
"""Most architectures of a request whose explanations have similar and changed architectures, which
take longer than the attributions."""


Specification: TypeAlias = str | int | list[Any] | dict[str, Any]
"""Types of ``arch`` in JSON; the space checks the value."""


def _check_specification(value: object) -> Specification:
    if isinstance(value, str | int | list | dict) and not isinstance(value, bool):
        return value
    if isinstance(value, tuple):  # from Python
        return list(value)
    raise PydanticCustomError(
        "specification", "Input should be a string, an integer, a list or an object"
    )


AnySpecification = Annotated[
    Specification,
    PlainValidator(_check_specification),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "integer"},
                {"type": "array", "items": {"type": "integer"}},
                {"type": "object"},
            ]
        }
    ),
]


class PlainSpec(BaseModel):
    """One architecture: a space, and a specification in the notation of the space."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    space: str = Field(description="Name of the space; GET /spaces lists them.")
    arch: AnySpecification = Field(
        description="The architecture, as its space writes it or in another usual spelling, such "
        "as the index in a benchmark's order or a list of widths."
    )


class ArchitectureSpec(PlainSpec):
    """One architecture, and the conditions of its prediction."""

    conditions: dict[str, ConditionValue] | None = Field(
        default=None,
        max_length=MOST_CONDITIONS,
        description="Conditions of this architecture; they win over those of the request.",
    )


class PredictRequest(PredictOptions):
    """A request for predictions; only ``architectures`` is required."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "architectures": [{"space": "nats_sss", "arch": "64:64:64:64:64"}],
                "dataset": "cifar10",
                "targets": ["clean"],
                "interval": 0.9,
                "explain": "path",
            }
        },
    )

    architectures: list[ArchitectureSpec] = Field(
        min_length=1, description="Architectures of one space, or of spaces that share a forest."
    )


class TargetPrediction(BaseModel):
    """A prediction and its interval in the unit of the target: percent for accuracies."""

    value: float
    lower: float
    upper: float


class TargetDetail(BaseModel):
    """What the values of a target mean."""

    unit: str = Field(
        description="Unit of values and bounds: percent for accuracies, percentile for ranks."
    )
    better: Literal["higher", "lower"]
    scale: Literal["linear", "log", "rank"] = Field(
        description="log: intervals are a factor wide, and contributions add up to the logarithm. "
        "rank: values are percentiles of a population of architectures, not accuracies, since the "
        "forest had no labels; contributions add up to the normal score."
    )

    @classmethod
    def of(cls, target: Target) -> "TargetDetail":
        """Describe a target."""
        better: Literal["higher", "lower"] = "higher" if target.higher_is_better else "lower"
        return cls(unit=target.unit, better=better, scale=target.scale)


class Quantity(TargetDetail):
    """A target of a forest or a cost; the unit of params and flops is million."""

    name: str = Field(description="A target of the forest, params or flops.")

    @classmethod
    def named(cls, name: str, target: Target | None) -> "Quantity":
        """Describe a target, or with None a cost."""
        if target is None:
            return cls(name=name, unit=COST_UNIT, better="lower", scale="linear")
        return cls(name=name, **TargetDetail.of(target).model_dump())


class ProxyProvenance(BaseModel):
    """What proxies were computed with; values of equal settings can be compared."""

    dataset: str
    engine_version: int = Field(description="Version of the code that computes proxies.")
    batch: str = Field(description="Name of the batch of images.")
    batch_size: int
    batch_digest: str = Field(description="SHA-256 of images and labels.")
    seed: int = Field(description="Seeds weights and noise.")
    initialisation: str
    batch_norm: str
    dtype: str
    device: str = Field(description="Device of the workers, as the server's setting names it.")


class Contribution(TypedDict):
    """What one feature adds to one prediction, in the unit of the target or in its logarithm.

    A plain dictionary for speed, since a response may have ten thousand.
    """

    feature: str
    contribution: float


class GroupContribution(TypedDict):
    """What the features of one group add to one prediction together, as :class:`Contribution`."""

    group: str
    contribution: float


class FeatureDetail(BaseModel):
    """What a feature is, for people."""

    title: str
    text: str = Field(description="One sentence.")
    group: str = Field(description="Kind of the feature; explanations add up each group.")


class Importance(BaseModel):
    """How much a forest relies on a feature for one target."""

    feature: str
    importance: float
    std: float | None


class Seconds(BaseModel):
    """The time that one prediction took, by step."""

    queue: float = Field(description="Waiting for a proxy worker.")
    features: float = Field(description="Computing features; 0 if they were known.")
    forest: float = Field(description="Share of this prediction in the time of the forest.")


class ForestName(BaseModel):
    """The forest that made the predictions."""

    name: str
    version: str


class NetworkCost(BaseModel):
    """Size of a network in the published tables' convention."""

    params: float = Field(description="Millions of parameters.")
    flops: float = Field(description="Millions of multiply-accumulates for one image.")


class NearestArchitecture(BaseModel):
    """An architecture that the trees treat alike, and what the forest predicts for it."""

    id: str = Field(description="Canonical id.")
    space: str
    arch: str = Field(description="Canonical form.")
    conditions: dict[str, ConditionValue] = Field(
        default_factory=dict,
        description="Those of the prediction; the image size is that of the forest's table.",
    )
    distance: float = Field(
        description="Mean over the trees of the share of all candidates that reach the smallest "
        "node which both architectures reach: near 0 is alike, 1 is not."
    )
    labelled: bool = Field(
        description="Whether its labels trained the forest; false if the forest had no labels."
    )
    predicted: dict[str, TargetPrediction] = Field(
        description="Per target, what the forest predicts for it; a forest does not store labels."
    )


class ChangePrediction(TargetPrediction):
    """One edit of an architecture, and the prediction after it."""

    change: str = Field(description="The edit in words.")
    id: str = Field(description="Canonical id of the architecture after the edit.")
    arch: str = Field(description="The architecture after the edit.")


class Changes(BaseModel):
    """The best single edit of the canonical form, the member arch of the prediction."""

    best: dict[str, ChangePrediction | None] = Field(
        description="Per target, the edit with the best prediction; null if none is better than "
        "the architecture itself. Empty if none was compared."
    )
    neighbours: int | None = Field(
        description="Architectures one edit away, without equivalent ones; null if unknown."
    )
    compared: int = Field(description="Those among them whose features are known.")
    reason: str | None = Field(description="Why some were not compared; null if all were.")


class ProxyPercentile(BaseModel):
    """The value of a zero-cost proxy, compared with those of other architectures."""

    value: float
    percentile: float = Field(
        description="Percent of the compared rows with a smaller value; equal ones count half."
    )
    rows: int = Field(
        description="Rows of the forest's table that were compared: those of the same space and "
        "image size whose value is known."
    )


class ArchitecturePrediction(BaseModel):
    """What a forest predicts for an architecture, independent of the request."""

    id: str = Field(description="Canonical id: the same for equivalent architectures.")
    space: str
    arch: str = Field(description="Canonical form.")
    conditions: dict[str, ConditionValue] = Field(
        default_factory=dict, description="Value of each condition that the forest reads."
    )
    targets: dict[str, TargetPrediction]
    in_domain: bool = Field(description="Whether the architecture is similar to the training data.")
    domain_score: float | None = Field(
        description="Non-conformity score: 0 is typical of the training data, 1 is unlike it."
    )
    features: dict[str, float | None] = Field(description="Inputs of the forest; null is unknown.")
    reasons: dict[str, str] = Field(description="Why a feature or a proxy is null.")
    attributions: dict[str, list[Contribution]] | None = Field(
        default=None,
        description="With an explanation: per target, largest first; they add up exactly.",
    )
    attribution_groups: dict[str, list[GroupContribution]] | None = Field(
        default=None,
        description="With an explanation: per target, the contributions by group of features, "
        "largest first, at most eight; they add up exactly.",
    )
    baseline: dict[str, float] | None = Field(
        default=None,
        description="With an explanation: per target, the value without contributions.",
    )
    nearest: list[NearestArchitecture] | None = Field(
        default=None,
        description="With an explanation: up to three architectures of the forest's training data "
        "that the trees treat most like this one, nearest first and never the architecture itself; "
        f"null in jobs and for more than {MOST_RELATED} architectures in a request.",
    )
    changes: Changes | None = Field(
        default=None,
        description="With an explanation: the single edits that improve the predictions most; null "
        "where nearest is.",
    )
    proxy_percentiles: dict[str, ProxyPercentile] | None = Field(
        default=None,
        description="With an explanation: the proxies that the forest's table has of this "
        "architecture, which the forest need not read; empty if it has none, null where nearest "
        "is.",
    )
    proxies: dict[str, float | None] | None = Field(
        default=None,
        description="The proxies that the request asked for; null is unknown, see reasons.",
    )
    errors: dict[str, float] | None = Field(
        default=None, description="Standard error of each of these that is a mean over draws."
    )


class RequestDetails(BaseModel):
    """The part of a prediction that depends on the request."""

    submitted: NetworkCost = Field(
        description="Published size of the network as submitted, dead parts included."
    )
    feature_source: FeatureSource = Field(
        description="Where the features are from; with proxies, the slower source of both."
    )
    seconds: Seconds


class Prediction(RequestDetails, ArchitecturePrediction):
    """The result for one architecture."""


class PredictResponse(BaseModel):
    """Predictions in the order of the request."""

    forest: ForestName
    target_details: dict[str, TargetDetail] = Field(
        default_factory=dict, description="Unit and direction of each target."
    )
    predictions: list[Prediction]
    importances: dict[str, list[Importance]] = Field(description="Per target, the 20 largest.")
    feature_details: dict[str, FeatureDetail] | None = Field(
        default=None,
        description="With an explanation: title and group of each feature, and of each proxy of "
        "the forest's table.",
    )
    settings: ProxyProvenance | None = Field(
        default=None, description="With proxies: what they were computed with."
    )


class ForestInfo(BaseModel):
    """A forest that is loaded and verified."""

    name: str
    version: str
    space: str
    dataset: str
    targets: list[str]
    target_details: dict[str, TargetDetail] = Field(
        default_factory=dict, description="Unit and direction of each target."
    )
    features: int = Field(description="Number of features that the forest reads.")
    table_rows: int = Field(description="Architectures with features in the bundle.")
    table_spaces: list[str] = Field(
        default_factory=list, description="Spaces of these architectures, each of which has a map."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="What the forest reads besides the architecture, with defaults and allowed "
        "values.",
    )
    digest: str = Field(description="SHA-256 of the manifest, which has the SHA-256 of every file.")
    default: bool = Field(
        default=True,
        description="Whether it is used for requests without a version, because it is the newest.",
    )


class RefusedForest(BaseModel):
    """A bundle that failed verification, with the reason."""

    name: str = Field(description="Name of its folder.")
    reason: str
    serving: str | None = Field(
        default=None,
        description="Former forest of this folder that is still served, with its version.",
    )


class ForestList(BaseModel):
    """All bundles of the forests folder."""

    forests: list[ForestInfo]
    refused: list[RefusedForest]


class Reload(ForestList):
    """The result of a reload of the forests folder; forests are named ``name@version``."""

    added: list[str]
    removed: list[str]
    replicas: int = Field(
        default=1,
        description="Replicas of the server that reloaded. One that started meanwhile may have "
        "the former forests: with Ray, repeat the reload if they are fewer than configured.",
    )


class ForestDetail(ForestInfo):
    """A forest with its manifest."""

    feature_names: list[str]
    feature_details: dict[str, FeatureDetail] = Field(
        description="What each feature is, and each proxy of the forest's table."
    )
    settings: dict[str, Any] = Field(description="Batch, seed and engine of the features.")
    importances: dict[str, list[Importance]]
    manifest: dict[str, Any]


class SpaceInfo(BaseModel):
    """An architecture space."""

    name: str
    description: str
    example: str
    datasets: list[str]
    size: int | None = Field(description="Number of architectures; null if not finite.")
    forests: list[str] = Field(description="Forests that predict for this space.")
    limits: dict[str, int] | None = Field(
        description="Bounds on a specification; null if the space has only bounded networks."
    )


class Limits(BaseModel):
    """Limits of requests, from the settings of the server."""

    max_architectures: int
    max_explanations: int
    max_body_bytes: int
    max_params: float = Field(description="Millions of parameters of a network that is computed.")
    max_flops: float = Field(
        description="Millions of multiply-accumulates for one image in a network that is computed."
    )
    max_job_architectures: int
    max_job_body_bytes: int
    max_active_jobs: int
    queue_size: int
    waiting_seconds: float
    computing_seconds: float
    rate_limit: str = Field(description="Requests of a client in a time; empty is unlimited.")


class SpaceList(BaseModel):
    """The spaces that can be parsed, and the limits of requests."""

    spaces: list[SpaceInfo]
    limits: Limits


class WorkersState(BaseModel):
    """Numbers of proxy worker processes and networks."""

    wanted: int
    ready: int
    restarts: int
    waiting: int = Field(description="Networks that wait for a worker.")
    computing: int = Field(description="Networks that are being computed.")


class Live(BaseModel):
    """The server process runs."""

    status: Literal["live"] = "live"


class Ready(BaseModel):
    """The server can predict any architecture, also new ones."""

    status: Literal["ready"] = "ready"
    forests: list[str]
    workers: WorkersState
