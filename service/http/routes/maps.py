"""``GET /spaces/{space}/map``: predictions for a whole space."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from acorn.schemas.predict_options import DatasetName
from service.http.negotiation import CompressedContent
from service.http.openapi import problems
from service.http.state import service_of
from service.prediction.space_map import SpaceMap

router = APIRouter(tags=["catalog"])

_AXIS = "a target of the forest, params or flops."


@router.get(
    "/spaces/{space}/map",
    response_model=None,
    responses={
        200: {"model": SpaceMap},
        304: {"description": "The client has this version already"},
        **problems(404, 406, 422),
    },
)
async def space_map(
    request: Request,
    space: str,
    dataset: Annotated[
        DatasetName | None,
        Query(
            description="Dataset of the forest; by default the first one of the space in "
            "GET /spaces that has a map."
        ),
    ] = None,
    x: Annotated[str, Query(description=f"First axis: {_AXIS}")] = "clean",
    y: Annotated[str, Query(description=f"Second axis: {_AXIS}")] = "flops",
    conditions: Annotated[
        str,
        Query(
            description="Conditions of all points, such as pretraining=none; image_size chooses "
            "the points of one size."
        ),
    ] = "",
) -> Response:
    """Show where the architectures of a space lie by two quantities, and the Pareto front.

    They are those in the table of the forest: the space's own, or a universal one.

    The first map of a forest takes a moment; later ones are kept.
    """
    packed = await service_of(request).maps.get(
        space, dataset=dataset, x=x, y=y, conditions=conditions
    )
    content = CompressedContent(packed, "application/json", "private, no-cache")
    return content.respond(request.headers)
