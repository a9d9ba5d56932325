"""What the server says of jobs."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from acorn.schemas.prediction import ForestName, Prediction
from acorn.schemas.problems import Problem

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
ACTIVE: tuple[JobState, ...] = ("queued", "running")
"""States that a job leaves by itself."""


class JobLinks(BaseModel):
    """Where to go from a job."""

    job: str
    result: str
    events: str


class Job(BaseModel):
    """A job and how far it is."""

    id: str
    state: JobState = Field(
        description="A job is done when every architecture has its prediction or its own error; "
        "failed is one that could not go on at all."
    )
    dataset: str
    forest: str = Field(description="Name of the forest that answers it.")
    total: int = Field(description="Architectures.")
    done: int = Field(description="Architectures with a prediction.")
    failed: int = Field(description="Architectures with an error.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    rate: float | None = Field(description="Architectures a second since it started.")
    seconds_left: float | None = Field(description="At this rate; null where that is not known.")
    error: Problem | None = Field(description="Why it could not go on.")
    links: JobLinks

    @property
    def active(self) -> bool:
        """Whether it waits or is worked on."""
        return self.state in ACTIVE


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="Where older ones are; null where there are none.")


class ResultLine(BaseModel):
    """The answer for one architecture of a job: a prediction or an error."""

    index: int = Field(description="Position in the request.")
    forest: ForestName
    prediction: Prediction | None = None
    error: Problem | None = None
