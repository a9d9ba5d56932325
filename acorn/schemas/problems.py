"""Problem details (RFC 9457): the form of every error of the HTTP interface."""

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class ProblemItem(BaseModel):
    """One bad item of a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request body.")
    detail: str = Field(description="What was got, and what was expected.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "1 item of the request is wrong",
                "errors": [{"pointer": "/architectures/3/arch", "detail": "got 'x'; expected ..."}],
                "request_id": "6f1c0a5e9b7d4c3f",
            }
        }
    )

    type: str = Field(default="about:blank", description="URI of the kind of problem.")
    title: str = Field(description="The kind of problem in a few words.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What went wrong this time, in one line.")
    errors: list[ProblemItem] = Field(
        default_factory=list, description="Every bad item of the request."
    )
    error: str | None = Field(
        default=None,
        description="Under /v2, what detail says: the Open Inference Protocol's own member.",
    )
    request_id: str = Field(default="", description="Under which the server's log has it.")
