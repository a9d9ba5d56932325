"""Responses about jobs."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from acorn.schemas.predict_options import Options
from acorn.schemas.prediction import ForestName, Prediction, PredictRequest, ProxyProvenance
from acorn.schemas.problems import Problem
from acorn.schemas.proxies import ProxyRequest, ProxyResult

JobKind = Literal["predictions", "proxies"]
_KIND = "What to compute: predictions, or proxies alone."

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
ACTIVE: tuple[JobState, ...] = ("queued", "running")
"""States that a job leaves by itself."""


class PredictionJob(PredictRequest):
    """A job that predicts."""

    kind: Literal["predictions"] = Field("predictions", description=_KIND)


class ProxyJob(ProxyRequest):
    """A job that computes proxies."""

    kind: Literal["proxies"] = Field(description=_KIND)


class JobOptions(Options, total=False):
    """Keyword arguments of the client's ``jobs.submit``: the fields of both kinds of jobs."""

    kind: JobKind
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
    total: int = Field(description="Architectures.")
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

    index: int = Field(description="Position in the request.")
    forest: ForestName | None = Field(default=None, description="In a job of predictions.")
    prediction: Prediction | None = None
    result: ProxyResult | None = Field(default=None, description="In a job of proxies.")
    settings: ProxyProvenance | None = Field(
        default=None, description="What the proxies were computed with."
    )
    error: Problem | None = None
