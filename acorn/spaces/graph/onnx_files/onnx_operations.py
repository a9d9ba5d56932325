"""The operations of ONNX, each by one function of torch, from a fixed table.

A function gets the inputs (None for one that is left out) and the attributes of the node. Inputs
are tensors on the meta device, or small constants whose values are known, such as shapes and axes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Attributes = Mapping[str, Any]
Inputs = Sequence[Any]


def numbers(tensor: Tensor | None) -> list[int]:
    """Read the values of a constant of integers."""
    if tensor is None:
        return []
    if tensor.is_meta:
        raise ValueError("a size or an axis is not known")
    return [int(value) for value in tensor.flatten().tolist()]


def _axes(inputs: Inputs, attributes: Attributes, place: int = 1) -> list[int]:
    """Read axes, which are an input in newer versions and an attribute in older ones."""
    if len(inputs) > place and inputs[place] is not None:
        return numbers(inputs[place])
    return list(attributes.get("axes", []))


def _padding(x: Tensor, attributes: Attributes, kernel: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Split padding into that of the operation, and that which is not the same at both ends."""
    axes = len(kernel)
    pads = list(attributes.get("pads", [0] * 2 * axes))
    automatic = attributes.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        strides = attributes.get("strides", [1] * axes)
        dilations = attributes.get("dilations", [1] * axes)
        for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True):
            total = max(0, (math.ceil(size / s) - 1) * s + d * (k - 1) + 1 - size)
            pads.append(total // 2 if automatic == "SAME_UPPER" else total - total // 2)
        ends = [
            max(0, (math.ceil(size / s) - 1) * s + d * (k - 1) + 1 - size) - begin
            for size, k, s, d, begin in zip(
                x.shape[2:], kernel, strides, dilations, pads, strict=True
            )
        ]
        pads += ends
    begins, ends = pads[:axes], pads[axes:]
    if begins == ends:
        return x, begins
    around = [n for begin, end in zip(begins[::-1], ends[::-1], strict=True) for n in (begin, end)]
    return functional.pad(x, around), [0] * axes


def _conv(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias = [*inputs, None][:3]
    axes = weight.dim() - 2
    x, padding = _padding(x, attributes, weight.shape[2:])
    convolution = {1: functional.conv1d, 2: functional.conv2d}[axes]
    return convolution(
        x,
        weight,
        bias,
        attributes.get("strides", [1] * axes),
        padding,
        attributes.get("dilations", [1] * axes),
        attributes.get("group", 1),
    )


def _gemm(inputs: Inputs, attributes: Attributes) -> Tensor:
    a, b, c = [*inputs, None][:3]
    a = a.t() if attributes.get("transA", 0) else a
    b = b.t() if attributes.get("transB", 0) else b
    return torch.mm(a, b) if c is None else torch.addmm(c, a, b)


def _matmul(inputs: Inputs, _: Attributes) -> Tensor:
    return torch.matmul(inputs[0], inputs[1])


def _pool(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    kernel = attributes["kernel_shape"]
    x, padding = _padding(x, attributes, kernel)
    strides = attributes.get("strides", [1] * len(kernel))
    ceil = bool(attributes.get("ceil_mode", 0))
    if "count_include_pad" in attributes or attributes.get("op") == "AveragePool":
        include = bool(attributes.get("count_include_pad", 0))
        return functional.avg_pool2d(x, kernel, strides, padding, ceil, include)
    return functional.max_pool2d(
        x, kernel, strides, padding, attributes.get("dilations", [1] * len(kernel)), ceil
    )


def _batch_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias = inputs[:3]  # the statistics may be other norms' weights in the file
    mean, variance = (torch.empty(len(weight), device="meta") for _ in range(2))
    eps = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(x, mean, variance, weight, bias, False, 0.1, eps)


def _layer_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, weight, bias = [*inputs, None][:3]
    axis = attributes.get("axis", -1) % x.dim()
    return functional.layer_norm(x, x.shape[axis:], weight, bias, attributes.get("epsilon", 1e-5))


def _instance_norm(inputs: Inputs, attributes: Attributes) -> Tensor:
    """Group normalisation of one channel a group; exporters write other group norms by it, too."""
    x, scale, shift = inputs[:3]
    learned = (scale, shift)
    if not scale.is_meta:
        if not (scale == 1).all() or not (shift == 0).all():
            raise ValueError("the scale and shift of a norm are constants other than 1 and 0")
        learned = (None, None)
    return functional.group_norm(x, x.shape[1], *learned, attributes.get("epsilon", 1e-5))


def batched(shape: list[int], x: Tensor, batch: int) -> list[int]:
    """Write the number of images into a shape that a file has for another number.

    Parameters
    ----------
    shape : list of int
        Where a tensor has to be moved; -1 is what is left.
    x : Tensor
        The tensor.
    batch : int
        Number of images; divides no other size.

    Returns
    -------
    list of int
    """
    places = [place for place, size in enumerate(x.shape) if size % batch == 0]
    if len(places) != 1 or any(size % batch == 0 for size in shape):
        return shape
    if -1 in shape and shape[0] != 1:
        return shape
    place = places[0]
    before = math.prod(x.shape[:place])
    fixed = [size if size != -1 else 0 for size in shape]
    if 0 in fixed:
        rest = x.numel() // batch // math.prod(size for size in fixed if size)
        fixed[fixed.index(0)] = rest
    outer = [math.prod(fixed[:axis]) for axis in range(len(fixed))]
    # The batch may be the slower or the faster part of its axis: an axis of one image tells.
    after = before * (x.shape[place] // batch)
    single = [axis for axis, size in enumerate(fixed) if size == 1]
    where = [axis for start in (before, after) for axis in single if outer[axis] == start]
    # Else the axis that begins where the batch is, or the one in whose middle it is. A matrix has
    # one row for each image and position.
    where += [axis for axis, size in enumerate(outer) if size == before]
    if place and len(fixed) == 2 and where == [1]:
        where = [0]
    fixed[where[0] if where else sum(size < before for size in outer) - 1] *= batch
    return fixed


def _reshape(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, target = inputs[:2]
    shape = numbers(target)
    shape = [x.shape[place] if size == 0 else size for place, size in enumerate(shape)]
    shape = batched(shape, x, attributes["batch"])
    return x if shape == [*x.shape] else x.reshape(shape)


def _flatten(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    axis = attributes.get("axis", 1) % (x.dim() + 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    axes = _axes(inputs, attributes) or [place for place, n in enumerate(x.shape) if n == 1]
    return x.squeeze(tuple(axes))


def _unsqueeze(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    axes = _axes(inputs, attributes)
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concat(inputs: Inputs, attributes: Attributes) -> Tensor:
    parts = [part for part in inputs if part is not None]
    batch, axis = attributes["batch"], attributes["axis"]
    if any(part.dim() and part.shape[0] == batch for part in parts) and axis % parts[0].dim():
        parts = [
            part.expand(batch, *part.shape[1:]) if part.shape[0] == 1 else part for part in parts
        ]
    if any(part.is_meta for part in parts):
        parts = [part if part.is_meta else part.to("meta") for part in parts]
    return torch.cat(parts, axis)


def _split(inputs: Inputs, attributes: Attributes) -> tuple[Tensor, ...]:
    x = inputs[0]
    axis = attributes.get("axis", 0)
    sizes = numbers(inputs[1]) if len(inputs) > 1 else list(attributes.get("split", []))
    if not sizes:
        sizes = [x.shape[axis] // attributes["outputs"]] * attributes["outputs"]
    return torch.split(x, sizes, axis)


def _slice(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes = attributes.get("axes", [*range(len(starts))])
        steps = [1] * len(starts)
    else:
        starts, ends = numbers(inputs[1]), numbers(inputs[2])
        axes = numbers(inputs[3]) if len(inputs) > 3 else [*range(len(starts))]
        steps = numbers(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 0:
            if (start, step) != (-1, -1):
                raise ValueError("a slice runs backwards")
            x = x.flip(axis)
            continue
        if (start, step) == (0, 1) and end >= x.shape[axis]:
            continue
        x = torch.ops.aten.slice.Tensor(x, axis, start, end, step)
    return x


def _gather(inputs: Inputs, attributes: Attributes) -> Tensor:
    x, indices = inputs[:2]
    axis = attributes.get("axis", 0) % x.dim()
    if indices.is_meta:
        if x.is_meta:
            return x.flatten(axis, axis)[(slice(None),) * axis + (indices.long(),)]
        raise ValueError("an index is not known")
    if indices.dim() == 0:
        return x.select(axis, int(indices))
    return x[(slice(None),) * axis + (indices.long().to(x.device),)]


def _expand(inputs: Inputs, _: Attributes) -> Tensor:
    x, shape = inputs[0], numbers(inputs[1])
    rank = max(x.dim(), len(shape))
    have = [1] * (rank - x.dim()) + list(x.shape)
    want = [1] * (rank - len(shape)) + shape
    return x.expand([max(a, b) for a, b in zip(have, want, strict=True)])


def _pad(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    pads = numbers(inputs[1]) if len(inputs) > 1 else list(attributes["pads"])
    axes = numbers(inputs[3]) if len(inputs) > 3 else [*range(x.dim())]
    around = [0] * 2 * x.dim()
    for place, axis in enumerate(axes):
        last = x.dim() - 1 - axis % x.dim()
        around[2 * last : 2 * last + 2] = pads[place], pads[place + len(axes)]
    while around[-2:] == [0, 0] and len(around) > 2:
        around = around[:-2]
    mode = str(attributes.get("mode", "constant"))
    return functional.pad(x, around, mode={"edge": "replicate"}.get(mode, mode))


def _resize(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    if len(inputs) > 3 and inputs[3] is not None:
        size = numbers(inputs[3])[-2:]
    else:
        scales = inputs[2] if len(inputs) > 2 else inputs[1]
        if scales is None or scales.is_meta:
            raise ValueError("a scale is not known")
        size = [int(n * s) for n, s in zip(x.shape[2:], scales.tolist()[-2:], strict=True)]
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(attributes.get("mode", ""), "nearest")
    return functional.interpolate(x, size, mode=mode)


def _reduce(function: Callable[..., Tensor]) -> Callable[[Inputs, Attributes], Tensor]:
    def apply(inputs: Inputs, attributes: Attributes) -> Tensor:
        x = inputs[0]
        axes = _axes(inputs, attributes) or [*range(x.dim())]
        return function(x, dim=axes, keepdim=bool(attributes.get("keepdims", 1)))

    return apply


def _softmax(inputs: Inputs, attributes: Attributes) -> Tensor:
    return functional.softmax(inputs[0], attributes.get("axis", -1))


def _clip(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    bounds = [attributes.get("min"), attributes.get("max")]
    for place, bound in enumerate(inputs[1:3]):
        bounds[place] = None if bound is None else float(bound)
    if bounds == [0.0, 6.0]:
        return functional.relu6(x)
    return torch.clamp(x, *bounds)


def _transpose(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    return x.permute(attributes.get("perm", [*range(x.dim())][::-1]))


def _cast(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    return x if x.is_meta else x.to(torch.int64 if attributes["to"] in (6, 7) else torch.float32)


def _constant(_: Inputs, attributes: Attributes) -> Tensor:
    for name in ("value_int", "value_ints"):
        if name in attributes:
            return torch.tensor(attributes[name])
    for name in ("value_float", "value_floats"):
        if name in attributes:
            return torch.tensor(attributes[name], dtype=torch.float32)
    return constant(attributes["value"])


def constant(tensor: Any) -> Tensor:
    """Make a tensor of that of a file, on the meta device unless its values are known."""
    if tensor.values is None:
        return torch.empty(tensor.shape, device="meta")
    values = torch.from_numpy(tensor.values.copy())
    return values.float() if values.is_floating_point() else values


def _of_shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    shape = numbers(inputs[0])
    if math.prod(shape) > 2**20:
        return torch.zeros(shape, device="meta")
    value = constant(attributes["value"]) if "value" in attributes else torch.zeros(1)
    return value.expand(shape).clone() if shape else value.reshape(())


def _shape(inputs: Inputs, attributes: Attributes) -> Tensor:
    x = inputs[0]
    return torch.tensor(x.shape[attributes.get("start", 0) : attributes.get("end")])


def _prelu(inputs: Inputs, _: Attributes) -> Tensor:
    x, slope = inputs[:2]
    return functional.prelu(x, slope.flatten())


def _of(function: Callable[..., Tensor]) -> Callable[[Inputs, Attributes], Tensor]:
    return lambda inputs, _: function(*inputs)


def _divide(inputs: Inputs, _: Attributes) -> Tensor:
    left, right = inputs[:2]
    whole = not (left.is_floating_point() or right.is_floating_point())
    return torch.div(left, right, rounding_mode="trunc" if whole else None)


def _power(inputs: Inputs, _: Attributes) -> Tensor:
    x, exponent = inputs[:2]
    return torch.pow(x, exponent if exponent.numel() > 1 or exponent.is_meta else float(exponent))


OPERATIONS: Mapping[str, Callable[[Inputs, Attributes], Tensor | tuple[Tensor, ...]]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": lambda inputs, a: functional.group_norm(
        inputs[0], a["num_groups"], inputs[1], inputs[2], a.get("epsilon", 1e-5)
    ),
    "InstanceNormalization": _instance_norm,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": lambda inputs, _: functional.adaptive_avg_pool2d(inputs[0], 1),
    "GlobalMaxPool": lambda inputs, _: functional.adaptive_max_pool2d(inputs[0], 1),
    "Relu": _of(functional.relu),
    "LeakyRelu": lambda inputs, a: functional.leaky_relu(inputs[0], a.get("alpha", 0.01)),
    "PRelu": _prelu,
    "Elu": lambda inputs, a: functional.elu(inputs[0], a.get("alpha", 1.0)),
    "Selu": _of(functional.selu),
    "Gelu": lambda inputs, a: functional.gelu(inputs[0], approximate=a.get("approximate", "none")),
    "Sigmoid": _of(torch.sigmoid),
    "HardSigmoid": _of(functional.hardsigmoid),
    "HardSwish": _of(functional.hardswish),
    "Tanh": _of(torch.tanh),
    "Softplus": _of(functional.softplus),
    "Mish": _of(functional.mish),
    "Clip": _clip,
    "Softmax": _softmax,
    "Add": _of(torch.add),
    "Sub": _of(torch.sub),
    "Mul": _of(torch.mul),
    "Div": _divide,
    "Pow": _power,
    "Max": _of(torch.maximum),
    "Min": _of(torch.minimum),
    "Equal": _of(torch.eq),
    "Mod": _of(torch.remainder),
    "Where": _of(torch.where),
    "Sqrt": _of(torch.sqrt),
    "Exp": _of(torch.exp),
    "Log": _of(torch.log),
    "Abs": _of(torch.abs),
    "Neg": _of(torch.neg),
    "Reciprocal": _of(torch.reciprocal),
    "Erf": _of(torch.erf),
    "Sin": _of(torch.sin),
    "Cos": _of(torch.cos),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceL2": _reduce(torch.linalg.vector_norm),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": lambda inputs, _: inputs[0].repeat(numbers(inputs[1])),
    "CumSum": lambda inputs, _: torch.cumsum(inputs[0], *numbers(inputs[1])),
    "Pad": _pad,
    "Resize": _resize,
    "Shape": _shape,
    "Constant": _constant,
    "ConstantOfShape": _of_shape,
    "Cast": _cast,
    "Identity": lambda inputs, _: inputs[0],
    "Dropout": lambda inputs, _: inputs[0],
}
"""Function of each operation, by its name."""
