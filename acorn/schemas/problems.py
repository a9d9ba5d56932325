"""Problem details (RFC 9457): the form of every error of the HTTP interface."""

from collections.abc import Callable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class ProblemItem(BaseModel):
    """One invalid item of a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request body.")
    detail: str = Field(description="The value and the expected value.")

    def moved(self, new_index: Callable[[int], int]) -> Self:
        """Make the same item for another list of architectures.

        Parameters
        ----------
        new_index : callable
            Maps the index of an architecture in this list to its index in the other list.

        Returns
        -------
        ProblemItem
        """
        match self.pointer.split("/"):
            case ["", "architectures", index, *rest] if index.isdecimal():
                parts = ["", "architectures", str(new_index(int(index))), *rest]
                return self.model_copy(update={"pointer": "/".join(parts)})
        return self


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
    detail: str = Field(description="Description of this error in one line.")
    errors: list[ProblemItem] = Field(
        default_factory=list, description="Every invalid item of the request."
    )
    error: str | None = Field(
        default=None,
        description="Under /v2, the same text as detail, for the Open Inference Protocol.",
    )
    request_id: str = Field(default="", description="Id of the request in the server's log.")
