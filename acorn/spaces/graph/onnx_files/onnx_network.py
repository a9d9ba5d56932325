"""Networks in ONNX files as modules without weights, and as declared graphs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.errors import InputError, abbreviate, one_line
from acorn.spaces.graph.exporting import export_graph
from acorn.spaces.graph.onnx_files import onnx_reader
from acorn.spaces.graph.onnx_files.onnx_operations import OPERATIONS, constant
from acorn.spaces.graph.onnx_files.onnx_reader import Model, Operation, read_model

_GATES = {"Sigmoid": functional.silu, "HardSigmoid": functional.hardswish}
_SMALL = 1e-3

_LAYERS = ("BatchNormalization", "Conv", "Gemm", "GroupNormalization", "LayerNormalization")
"""Operations whose second and third inputs are weights, of any size."""


def from_onnx(path: str | Path) -> dict[str, Any]:
    """Read the declared graph of a network in an ONNX file.

    Only structure is read: weights need not be there, and nothing of the file is executed. Layers
    that an exporter merged (a batch normalisation into a convolution) stay merged.

    Parameters
    ----------
    path : str or Path
        A file with one network, from images (batch, 3, height, width) of a fixed size to logits.

    Returns
    -------
    dict
        ``{"space": "graph", "arch": {...}}``, as :func:`acorn.export_graph` returns it.

    Raises
    ------
    InputError
        In one line, if the file cannot be read, or has an operation that the graph space lacks.
    """
    model = read_model(path)
    shape = model.image_shape
    height, width = shape[2:] if len(shape) == 4 and shape[1] == 3 else (None, None)
    if height is None or width is None:
        raise InputError(
            f"got {path} with images of shape {abbreviate(shape)}; expected (batch, 3, height, "
            "width) with a fixed height and width"
        )
    for operation in model.operations:
        if operation.op not in OPERATIONS:
            raise InputError(
                f"got {path} with the operation {abbreviate(operation.op)} "
                f"({abbreviate(operation.name)}), which is not read; expected others"
            )
    try:
        network = OnnxNetwork(model)
        return export_graph(network, (3, height, width))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


class OnnxNetwork(nn.Module):
    """Calls the operations of a file in their order.

    Parameters
    ----------
    model : Model
        The structure of the file. Weights of floating point are parameters on the meta device;
        others, and single numbers, are constants.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        statistics = {
            name
            for operation in model.operations
            if operation.op == "BatchNormalization"
            for name in operation.inputs[3:5]
        }
        learned = {
            name
            for operation in model.operations
            if operation.op in _LAYERS
            for name in operation.inputs[1:3]
        }
        self._constants: dict[str, onnx_reader.Tensor] = {}  # a replica keeps their values
        self._names: dict[str, list[str]] = {}
        uses = Counter(name for operation in model.operations for name in operation.inputs)
        for place, (name, tensor) in enumerate(model.weights.items()):
            is_weight = tensor.is_float and tensor.shape != () and name not in statistics
            if is_weight and (name in learned or max(tensor.shape) * len(tensor.shape) > 1):
                # Exporters write equal weights of several norms once.
                for use in range(uses[name] if len(tensor.shape) == 1 else 1):
                    self._names.setdefault(name, []).append(f"weight_{place}_{use}")
                    empty = torch.empty(tensor.shape, device="meta")
                    self.register_parameter(f"weight_{place}_{use}", nn.Parameter(empty))
            else:
                self._constants[name] = tensor

        self._products = self._products_with_bias(uses)

    def _products_with_bias(self, uses: Mapping[str, int]) -> set[str]:
        """Find the products with a weight that are read by nothing but the sum with a bias."""
        products = {
            operation.outputs[0]
            for operation in self._model.operations
            if operation.op == "MatMul"
            and len(operation.inputs) == 2
            and operation.inputs[1] in self._names
            and operation.inputs[0] not in self._names
            and uses[operation.outputs[0]] == 1
        }
        return {
            product
            for operation in self._model.operations
            if operation.op == "Add" and len(operation.inputs) == 2
            for product, bias in (operation.inputs, operation.inputs[::-1])
            if product in products
            and bias in self._names
            and len(self._model.weights[bias].shape) == 1
        }

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images."""
        values: dict[str, Tensor] = {
            **{name: constant(tensor) for name, tensor in self._constants.items()},
            self._model.image: images,
        }
        unused = {name: cycle(own) for name, own in self._names.items()}

        def weight(name: str) -> Tensor:
            tensor: Tensor = getattr(self, next(unused[name]))
            return tensor

        made_by: dict[str, Operation] = {}
        for operation in self._model.operations:
            if operation.outputs[0] in self._products:
                made_by[operation.outputs[0]] = operation
                continue
            try:
                merged = self._merged(operation, values, made_by, weight)
                outputs: Sequence[Tensor] = () if merged is None else (merged,)
                if merged is None:
                    inputs = [
                        weight(name) if name in unused else values[name] if name else None
                        for name in operation.inputs
                    ]
                    result = OPERATIONS[operation.op](inputs, self._attributes(operation, images))
                    outputs = result if isinstance(result, tuple) else (result,)
            except KeyError as error:
                raise ValueError(f"{operation.op} reads {error}, which is not there") from None
            except InputError:
                raise
            except Exception as error:
                name = operation.name or operation.op
                raise ValueError(f"{abbreviate(name)} fails: {one_line(error)}") from error
            for name, output in zip(operation.outputs, outputs, strict=False):
                values[name] = output
                made_by[name] = operation
        return values[self._model.output]

    @staticmethod
    def _attributes(operation: Operation, images: Tensor) -> Mapping[str, Any]:
        known = {"op": operation.op, "batch": len(images), "outputs": len(operation.outputs)}
        return {**operation.attributes, **known}

    def _merged(
        self,
        operation: Operation,
        values: Mapping[str, Tensor],
        made_by: Mapping[str, Operation],
        weight: Callable[[str], Tensor],
    ) -> Tensor | None:
        """Recognise layers and activations that exporters write as several operations."""
        if operation.op not in ("Mul", "Add") or len(operation.inputs) != 2:
            return None
        for one, other in (operation.inputs, operation.inputs[::-1]):
            former = made_by.get(other)
            if former is None:
                continue
            if operation.op == "Add":
                if other in self._products:
                    source, matrix = former.inputs
                    x = values[source].contiguous()
                    return functional.linear(x, weight(matrix).t(), weight(one))
                continue
            if former.op in _GATES and former.inputs[0] == one:
                return _GATES[former.op](values[one])
            if former.op == "Tanh":
                soft = made_by.get(former.inputs[0])
                if soft is not None and soft.op == "Softplus" and soft.inputs[0] == one:
                    return functional.mish(values[one])
            source = _gelu_input(one, former, values, made_by)
            if source:
                return functional.gelu(values[source])
        return None


def _gelu_input(
    half: str, product: Operation, values: Mapping[str, Tensor], made_by: Mapping[str, Operation]
) -> str:
    """Find x of ``0.5 * (x * (1 + erf(x / sqrt(2))))``, whose last product is read; else empty."""
    if product.op != "Mul" or not _is_number(values.get(half), 0.5):
        return ""
    for source, other in (product.inputs, product.inputs[::-1]):
        total = made_by.get(other)
        if total is None or total.op != "Add":
            continue
        for name in total.inputs:
            erf = made_by.get(name)
            if erf is not None and erf.op == "Erf":
                scaled = made_by.get(erf.inputs[0])
                if scaled is not None and source in scaled.inputs:
                    return source
    return ""


def _is_number(tensor: Tensor | None, value: float) -> bool:
    if tensor is None or tensor.is_meta or tensor.numel() != 1:
        return False
    return abs(float(tensor) - value) < _SMALL
