"""``GET /spaces/{space}/map``: a whole space at a glance."""

import gzip
import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from acorn.schemas.options import DatasetName
from service.http.negotiation import VARY, coding_for, not_modified
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
        304: {"description": "The client has it already"},
        **problems(404, 406, 422),
    },
)
async def space_map(
    request: Request,
    space: str,
    dataset: Annotated[DatasetName, Query(description="Dataset of the forest.")] = "cifar10",
    x: Annotated[str, Query(description=f"First axis: {_AXIS}")] = "clean",
    y: Annotated[str, Query(description=f"Second axis: {_AXIS}")] = "flops",
) -> Response:
    """Show where the functions of a space lie by two axes, and the Pareto front among them.

    The first map of a forest takes a moment, all others none.
    """
    packed = await service_of(request).maps.get(space, dataset=dataset, x=x, y=y)
    headers = {
        "ETag": f'W/"{hashlib.sha256(packed).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",
        "Vary": VARY,
    }
    if (response := not_modified(request.headers, headers)) is not None:
        return response
    if coding_for(request.headers, ["gzip", "identity"]) == "gzip":
        headers["Content-Encoding"] = "gzip"
        return Response(packed, headers=headers, media_type="application/json")
    return Response(gzip.decompress(packed), headers=headers, media_type="application/json")
