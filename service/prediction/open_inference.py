"""Predictions for feature vectors in the Open Inference Protocol (version 2).

One input tensor, ``features``, of shape (n, features); one FP64 output tensor of shape (n,) for
each target, and for the bounds of its interval. Tensors are JSON; the protocol's binary extension
is not offered.

References
----------
KServe community, "Open Inference Protocol Specification", REST, version 2.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import acorn
from acorn.errors import UnknownTargetError, abbreviate
from acorn.forests.bundle import bounded
from acorn.schemas.problems import ProblemItem
from service.errors import InvalidRequestError
from service.prediction.plan import problem_item
from service.repository.served_bundle import ServedBundle

INPUT = "features"
PLATFORM = "acorn_forest"
BOUNDS = ("lower", "upper")
DEFAULT_INTERVAL = 0.9

_DATATYPES = ("FP32", "FP64")


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class InputTensor(_Sent):
    """An input tensor of a request."""

    name: str = Field(description=f"Always {INPUT}.")
    shape: list[int] = Field(description="(n, features).")
    datatype: str = Field(description="FP32 or FP64.")
    data: list[Any] = Field(description="Numbers by row, flat or nested; null is missing.")
    parameters: dict[str, Any] | None = Field(default=None, description="Ignored.")


class WantedOutput(_Sent):
    """An output tensor that a request asks for."""

    name: str = Field(description="A target, or a target with .lower or .upper after it.")
    parameters: dict[str, Any] | None = Field(default=None, description="Ignored.")


class InferRequest(_Sent):
    """A request for inference."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "inputs": [
                    {"name": INPUT, "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, None]}
                ],
                "parameters": {"interval": 0.9},
            }
        }
    )

    id: str | None = Field(default=None, description="Returned in the response.")
    parameters: dict[str, Any] | None = Field(
        default=None, description="interval, between 0 and 1, adds the bounds; others are ignored."
    )
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[WantedOutput] | None = Field(
        default=None, min_length=1, description="By default every target."
    )


class TensorInfo(BaseModel):
    """An input or output tensor of a forest; -1 is any length."""

    name: str
    datatype: str
    shape: list[int]


class ServerInfo(BaseModel):
    """Name and version of the server."""

    name: Literal["acorn"] = "acorn"
    version: str = acorn.__version__
    extensions: list[str] = Field(
        default_factory=list, description="None: tensors are JSON, without the binary extension."
    )


class ModelInfo(BaseModel):
    """Inputs and outputs of a forest."""

    name: str
    versions: list[str] = Field(description="Oldest first.")
    platform: str = PLATFORM
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    parameters: dict[str, Any] = Field(description="Names of the features, in order.")


class OutputTensor(BaseModel):
    """An output tensor of the response: one number per row, in the unit of the target."""

    name: str
    shape: list[int]
    datatype: Literal["FP64"] = "FP64"
    data: list[float]


class InferResponse(BaseModel):
    """The response, with outputs in the order of the request."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


def describe_forest(forest: ServedBundle, versions: Sequence[str]) -> ModelInfo:
    """Describe the inputs and outputs of a forest.

    Parameters
    ----------
    forest : ServedBundle
    versions : sequence of str
        All versions of the forest, oldest first.

    Returns
    -------
    ModelInfo
    """
    names = forest.bundle.feature_names
    outputs = [f"{t}{bound}" for t in forest.targets for bound in ("", *(f".{b}" for b in BOUNDS))]
    return ModelInfo(
        name=forest.name,
        versions=list(versions),
        inputs=[TensorInfo(name=INPUT, datatype="FP32", shape=[-1, len(names)])],
        outputs=[TensorInfo(name=name, datatype="FP64", shape=[-1]) for name in outputs],
        parameters={"features": list(names)},
    )


def infer(document: object, forest: ServedBundle, *, max_rows: int) -> InferResponse:
    """Answer an inference request.

    Parameters
    ----------
    document : object
        The request as a JSON document.
    forest : ServedBundle
    max_rows : int
        Most rows of the input.

    Returns
    -------
    InferResponse

    Raises
    ------
    InvalidRequestError
        Lists every invalid item.
    """
    try:
        request = InferRequest.model_validate(document)
    except ValidationError as error:
        items = [problem_item(details) for details in error.errors(include_url=False)]
        raise InvalidRequestError(items) from None
    errors: list[ProblemItem] = []
    X = _read_tensor(request.inputs[0], len(forest.bundle.feature_names), max_rows, errors)
    interval = _read_interval(request, errors)
    columns = _read_outputs(request, forest, interval is not None, errors)
    if errors:
        raise InvalidRequestError(errors)
    targets = list(dict.fromkeys(target for target, _ in columns.values()))
    predicted = forest.bundle.predict(X, targets=targets, interval=interval or DEFAULT_INTERVAL)
    return InferResponse(
        model_name=forest.name,
        model_version=forest.bundle.version,
        id=request.id,
        outputs=[
            OutputTensor(name=name, shape=[len(X)], data=getattr(predicted[target], part).tolist())
            for name, (target, part) in columns.items()
        ],
    )


def _read_tensor(
    tensor: InputTensor, features: int, max_rows: int, errors: list[ProblemItem]
) -> NDArray[np.float32]:
    """Read the input as float32 of shape (n, features), NaN for null."""

    def refuse(field: str, detail: str) -> None:
        errors.append(ProblemItem(pointer=f"/inputs/0/{field}", detail=detail))

    if tensor.name != INPUT:
        refuse("name", f"got {abbreviate(tensor.name)}; expected {INPUT}")
    if tensor.datatype not in _DATATYPES:
        refuse("datatype", f"got {abbreviate(tensor.datatype)}; expected FP32 or FP64")
    rows = tensor.shape[0] if tensor.shape else 0
    if len(tensor.shape) != 2 or tensor.shape[1] != features or not 1 <= rows <= max_rows:
        got = abbreviate(tensor.shape)
        refuse("shape", f"got {got}; expected [n, {features}] with n from 1 to {max_rows}")
        return np.empty((0, features), np.float32)
    numbers: list[Any] = []
    for item in tensor.data:
        numbers += item if isinstance(item, list) else (item,)
    nested = [len(item) for item in tensor.data if isinstance(item, list)]
    if nested and nested != [features] * rows:
        refuse("data", f"got nested rows of other lengths; expected {rows} rows of {features}")
    elif len(numbers) != rows * features:
        refuse("data", f"got {len(numbers)} numbers; expected {rows * features}")
    elif wrong := [x for x in numbers if x is not None and type(x) not in (int, float)]:
        refuse("data", f"got {abbreviate(wrong[0])}; expected numbers and nulls")
    else:
        values = [math.nan if x is None else _float(x) for x in numbers]
        return bounded(np.array(values)).reshape(rows, features)
    return np.empty((0, features), np.float32)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer too large for a float
        return math.inf if value > 0 else -math.inf


def _read_interval(request: InferRequest, errors: list[ProblemItem]) -> float | None:
    interval = (request.parameters or {}).get("interval")
    if interval is None or (type(interval) is float and 0.0 < interval < 1.0):
        return interval
    detail = f"got {abbreviate(interval)}; expected a number between 0 and 1"
    errors.append(ProblemItem(pointer="/parameters/interval", detail=detail))
    return None


def _read_outputs(
    request: InferRequest, forest: ServedBundle, with_bounds: bool, errors: list[ProblemItem]
) -> dict[str, tuple[str, str]]:
    """Find target and part (value, lower or upper) of every wanted output, by its name."""
    if request.outputs is None:
        parts = ("value", *BOUNDS) if with_bounds else ("value",)
        return {
            target if part == "value" else f"{target}.{part}": (target, part)
            for target in forest.targets
            for part in parts
        }
    columns: dict[str, tuple[str, str]] = {}
    for index, output in enumerate(request.outputs):
        stem, _, last = output.name.rpartition(".")
        target, part = (stem, last) if last in BOUNDS else (output.name, "value")
        try:
            columns[output.name] = forest.bundle.target(target), part
        except UnknownTargetError as error:
            errors.append(ProblemItem(pointer=f"/outputs/{index}/name", detail=str(error)))
    return columns
