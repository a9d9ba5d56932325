"""Schemas of jobs, their progress and their results."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic's, before Python 3.12

from acorn.schemas.predict_options import ForestOptions, Options
from acorn.schemas.prediction import (
    AnySpecification,
    ArchitectureSpec,
    ForestName,
    Prediction,
    PredictRequest,
    ProxyProvenance,
    Quantity,
)
from acorn.schemas.problems import Problem
from acorn.schemas.proxies import ProxyRequest, ProxyResult

ListKind = Literal["predictions", "proxies"]
JobKind = Literal["predictions", "proxies", "search"]
_KIND = "What to compute: predictions, proxies alone, or a search."

MOST_EVALUATIONS = 10_000
MOST_OBJECTIVES = 10

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
ACTIVE: tuple[JobState, ...] = ("queued", "running")
"""States that a job leaves by itself."""


class PredictionJob(PredictRequest):
    """A job that predicts."""

    kind: Literal["predictions"] = Field("predictions", description=_KIND)


class ProxyJob(ProxyRequest):
    """A job that computes proxies."""

    kind: Literal["proxies"] = Field(description=_KIND)


class SearchOptions(ForestOptions):
    """Options of a search, all with defaults."""

    objectives: list[str] = Field(
        ["clean", "params"],
        min_length=1,
        max_length=MOST_OBJECTIVES,
        description="Targets of the forest, each optimised in its direction, and params or flops, "
        "which are minimised.",
    )
    constraints: list[str] = Field(
        [],
        max_length=2 * MOST_OBJECTIVES,
        description="Bounds on targets, in their units, and on params or flops, in millions, such "
        "as clean>=92 and params<=5.",
    )
    pessimistic: bool = Field(
        False,
        description="Whether objectives and constraints compare the worse end of each interval in "
        "place of the value.",
    )
    in_domain: bool = Field(
        False, description="Whether to leave out architectures unlike the training data."
    )
    archs: list[AnySpecification] | None = Field(
        None,
        min_length=1,
        description="Candidates. By default the whole space if the forest's table has it, or if "
        "it has at most so many architectures as are evaluated; the table for a space without "
        "mutations; else what evolution finds.",
    )
    population: int = Field(
        40, ge=4, le=200, description="Parents of evolution, and architectures of a generation."
    )
    evaluations: int = Field(
        1000,
        ge=4,
        le=MOST_EVALUATIONS,
        description="Most architectures that evolution evaluates.",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Seeds evolution.")


class SearchJob(SearchOptions):
    """A job that searches a space for the architectures that no other one dominates."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "search",
                "space": "nats_tss",
                "dataset": "cifar10",
                "objectives": ["clean", "pgd_linf_1.0"],
                "constraints": ["params<=0.8"],
            }
        }
    )

    kind: Literal["search"] = Field(description=_KIND)
    space: str = Field(description="Name of the space; GET /spaces lists them.")


class JobOptions(Options, total=False):
    """Keyword arguments of the client's ``jobs.submit``: the fields of both kinds of lists."""

    kind: ListKind
    seed: int


class SearchOptionValues(TypedDict, total=False):
    """Keyword arguments of the client's ``jobs.search``: the fields of :class:`SearchOptions`."""

    dataset: str | None
    interval: float
    conditions: Mapping[str, float | str] | None
    forest: str | None
    objectives: str | Sequence[str]
    constraints: str | Sequence[str]
    pessimistic: bool
    in_domain: bool
    archs: Sequence[object] | None
    population: int
    evaluations: int
    seed: int


class JobLinks(BaseModel):
    """Addresses of a job."""

    job: str
    result: str
    events: str


class Job(BaseModel):
    """A job and its progress."""

    id: str
    state: JobState = Field(
        description="done: every architecture has a result or an error; failed: the "
        "job cannot continue."
    )
    kind: JobKind = "predictions"
    dataset: str
    forest: str | None = Field(
        description="Name of the forest that predicts; null for a job of proxies."
    )
    total: int = Field(description="Architectures; in a search the most that it evaluates.")
    done: int = Field(description="Architectures with a result.")
    failed: int = Field(description="Architectures with an error.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    rate: float | None = Field(description="Architectures per second since it started.")
    seconds_left: float | None = Field(
        description="Remaining seconds at this rate; null if unknown."
    )
    error: Problem | None = Field(description="Reason why the job cannot continue.")
    links: JobLinks
    front: str | None = Field(
        default=None, description="Address of the front of a search; null for other jobs."
    )

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in ACTIVE


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="Address of the next older jobs; null if there are none.")


class ResultLine(BaseModel):
    """The result for one architecture of a job: a prediction, its proxies, or an error."""

    index: int = Field(description="Position in the request, or in the order of a search.")
    forest: ForestName | None = Field(
        default=None, description="In a job of predictions or a search."
    )
    prediction: Prediction | None = None
    result: ProxyResult | None = Field(default=None, description="In a job of proxies.")
    settings: ProxyProvenance | None = Field(
        default=None, description="What the proxies were computed with."
    )
    error: Problem | None = None
    architecture: ArchitectureSpec | None = Field(
        default=None, description="In a search, with an error."
    )


class FrontMember(BaseModel):
    """An architecture of a front."""

    index: int = Field(description="Position in the order of the search.")
    forest: ForestName
    prediction: Prediction


class SearchFront(BaseModel):
    """The front of a search so far."""

    job: Job
    objectives: list[str]
    constraints: list[str]
    quantities: list[Quantity] = Field(
        description="Unit and direction of each objective and of what is constrained."
    )
    evaluated: int = Field(description="Architectures that were compared.")
    kept: int = Field(description="Those among them that keep all constraints.")
    front: list[FrontMember] = Field(
        description="Architectures that keep the constraints and that no other such one dominates; "
        "the best by the first objective first."
    )
