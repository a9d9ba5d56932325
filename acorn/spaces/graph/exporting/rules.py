"""How each of torch's aten operations is written in the graph space.

Names are those of :mod:`acorn.graph._aten`. A rule gets the arguments of the call with each tensor
replaced by its :class:`~.values.Value`, and the shapes of the results; it returns the values of the
first results.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from acorn.graph._aten import ADDITIONS, TRANSPARENT
from acorn.spaces.graph.exporting.values import LackingError, NodeWriter, Value
from acorn.spaces.graph.tensor_layers import Shape

_LINEAR = {"out_features", "axis", "weight_size"}
"""Options of a linear layer but for its bias."""

Args = Sequence[Any]
Kwargs = Mapping[str, Any]


class Rules:
    """The rules, and which parameters a node has already.

    Parameters
    ----------
    writer : NodeWriter
        Takes the nodes.
    sizes : mapping of str to int
        Learned numbers of each parameter.
    joins_bias : bool, default=False
        Whether a parameter that is added to a linear layer becomes its bias. Torch adds the bias of
        a linear layer separately if its input is not contiguous, which may depend on the batch.
    """

    def __init__(
        self, writer: NodeWriter, sizes: Mapping[str, int], *, joins_bias: bool = False
    ) -> None:
        self.writer = writer
        self._joins_bias = joins_bias
        self._sizes = sizes
        self._owned: set[str] = set()
        self._parameters: dict[tuple[frozenset[str], Shape], str] = {}

    def learned(self, *constants: Value | None) -> int:
        """Count the learned numbers of constants that no node has yet, and give them to one."""
        names = frozenset[str]().union(*(value.weights for value in constants if value))
        new = names - self._owned
        self._owned |= new
        return sum(self._sizes[name] for name in new)

    def parameter(self, constant: Value, like: Value) -> str:
        """Write a constant as a node that can be broadcast with a tensor."""
        sizes: list[int] = []
        missing = len(like.shape) - len(constant.shape)
        if missing < 0:
            raise LackingError("has a constant of more axes than the tensor")
        aligned = (1,) * missing + constant.shape
        for place, size in enumerate(aligned):
            if place != like.axis:
                sizes.append(size)
            else:
                sizes += like.batch_sizes if size > 1 else [1] * len(like.batch_sizes)
        key = constant.weights, tuple(sizes)
        if key not in self._parameters:
            learned = self.learned(constant)
            name = self.writer.write("parameter", shape=sizes, size=learned)
            self._parameters[key] = name
        return self._parameters[key]

    # Moves

    def view(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Move all elements into the shape of the result."""
        return [self.writer.viewed(args[0], shapes[0])]

    def same(self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]) -> list[Value]:
        """Pass the tensor on."""
        return [args[0]]

    def permute(self, name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]) -> list[Value]:
        """Reorder axes."""
        value = args[0]
        dims = [*range(len(value.shape))]
        if name == "permute":
            dims = list(args[1])
        else:
            one, other = (0, min(1, len(dims) - 1)) if name == "t" else args[1:3]
            dims[one], dims[other] = dims[other], dims[one]
        return [self.writer.permuted_value(value, dims)]

    def expand(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Repeat axes of size 1."""
        return [self._expanded(args[0], shapes[0])]

    def _expanded(self, value: Value, shape: Shape) -> Value:
        missing = len(shape) - len(value.shape)
        aligned = self._aligned(value, len(shape))
        result = replace(aligned, shape=shape)
        if shape[value.axis + missing] != value.shape[value.axis]:
            raise LackingError("repeats the batch")
        if result.declared == aligned.declared:
            return result
        node = aligned.node or ""
        return self.writer.write_like(result, "expand", node, shape=[*result.declared])

    def _aligned(self, value: Value, rank: int) -> Value:
        """Add axes of size 1 in front, as broadcasting does."""
        missing = rank - len(value.shape)
        if not missing:
            return value
        axis = value.axis + missing if value.axis >= 0 else -1
        result = replace(value, shape=(1,) * missing + value.shape, axis=axis)
        return replace(result, node=self.writer.reshaped(value.node or "", result.declared))

    def restride(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a change of strides as a part that is the whole, since the recorder counts it."""
        value = args[0]
        if shapes[0] != value.shape or value.axis or len(value.declared) != len(value.shape) - 1:
            raise LackingError("moves elements by their strides")
        stop = value.declared[0]
        return [self.writer.write_like(value, "slice", value.node or "", start=0, stop=stop)]

    def negate(self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]) -> list[Value]:
        """Change the sign."""
        return [self._scaled(args[0], factor=-1.0)]

    def _scaled(self, value: Value, *, factor: float = 1.0, shift: float = 0.0) -> Value:
        if (factor, shift) == (1.0, 0.0):
            return value
        node = self.writer.write("scale", value.node or "", factor=factor, shift=shift)
        return replace(value, node=node)

    def slice(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Take a part of one axis."""
        value, dim, start, _, step = _filled(args, None, 0, None, None, 1)
        return [self._part(value, dim, start or 0, shapes[0], step)]

    def _part(self, value: Value, dim: int, start: int, shape: Shape, step: int = 1) -> Value:
        if shape == value.shape:
            return value
        dim %= len(value.shape)
        axis, size = value.declared_axis(dim), value.shape[dim]
        first = max(0, start + size if start < 0 else start)
        stop = min(size, first + shape[dim] * step)
        part = replace(value, shape=shape)
        return self.writer.write_like(
            part, "slice", value.node or "", start=first, stop=stop, axis=axis, step=step
        )

    def narrow(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Take a part of one axis, given by its length."""
        return [self._part(args[0], args[1], args[2], shapes[0])]

    def select(self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]) -> list[Value]:
        """Take one index of an axis."""
        return [self._selected(*args[:3])]

    def _selected(self, value: Value, dim: int, index: int) -> Value:
        dim %= len(value.shape)
        axis = value.declared_axis(dim)
        shape = value.shape[:dim] + value.shape[dim + 1 :]
        place = value.axis - (dim < value.axis)
        index = index % value.shape[dim]
        result = replace(value, shape=shape, axis=place)
        return self.writer.write_like(result, "select", value.node or "", axis=axis, index=index)

    def split(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Cut one axis into parts."""
        value = args[0]
        if name == "unbind":
            dim = args[1] if len(args) > 1 else 0
            return [self._selected(value, dim, index) for index in range(len(shapes))]
        dim = (args[2] if len(args) > 2 else 0) % len(value.shape)
        starts = [sum(shape[dim] for shape in shapes[:place]) for place in range(len(shapes))]
        return [
            self._part(value, dim, start, shape)
            for start, shape in zip(starts, shapes, strict=True)
        ]

    def pad(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Add elements at both ends of the last axes."""
        value, padding = args[0], [*args[1]]
        if value.axis >= len(value.shape) - len(padding) // 2:
            raise LackingError("pads the batch")
        mode = {"c": "constant", "r": "replicate"}[name[0]]
        mode = "reflect" if name.startswith("reflection") else mode
        result = replace(value, shape=shapes[0])
        return [self.writer.write_like(result, "pad", value.node or "", padding=padding, mode=mode)]

    def roll(self, name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]) -> list[Value]:
        """Move elements along axes."""
        value = args[0]
        dims = args[2] if name == "roll" else args[1]
        axes = [value.declared_axis(dim) for dim in dims]
        options = {"shifts": [*args[1]]} if name == "roll" else {}
        return [self.writer.write_like(value, name, value.node or "", axes=axes, **options)]

    def windows(self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Cut one axis into windows."""
        value, dim, size, step = args
        axis = value.declared_axis(dim)
        result = replace(value, shape=shapes[0])
        options = {"axis": axis, "size": size, "step": step}
        return [self.writer.write_like(result, "windows", value.node or "", **options)]

    def unfold(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write patches as columns, or columns as patches."""
        value, *rest = args
        _first(value)
        size = [] if name == "im2col" else [rest.pop(0)]
        kernel, dilation, padding, stride = rest
        options = {
            "kernel": [*kernel],
            "dilation": [*dilation],
            "padding": [*padding],
            "stride": [*stride],
        }
        op = "fold" if size else "unfold"
        if size:
            options["size"] = [*size[0]]
        result = replace(value, shape=shapes[0])
        return [self.writer.write_like(result, op, value.node or "", **options)]

    def resize(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Resize maps."""
        value = args[0]
        _first(value)
        mode = next(mode for mode in ("nearest", "bilinear", "bicubic") if mode in name)
        result = replace(value, shape=shapes[0])
        size = [*shapes[0][2:]]
        return [self.writer.write_like(result, "resize", value.node or "", size=size, mode=mode)]

    def concat(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Join along an axis, which may be new."""
        parts, dim = args[0], args[1] if len(args) > 1 else 0
        dim %= len(shapes[0])
        if name == "stack":
            parts = [self._with_axis(part, dim) for part in parts]
        computed = [part for part in parts if part.node is not None]
        first = computed[0]
        if any((part.axis, part.before) != (first.axis, first.before) for part in computed):
            raise LackingError("joins tensors with the batch at different axes")
        axis = first.declared_axis(dim)
        nodes = [
            self.parameter(part, replace(first, shape=part.shape)) if part.node is None
            else part.node
            for part in parts
        ]  # fmt: skip
        result = replace(first, shape=shapes[0])
        return [self.writer.write_like(result, "concat", *nodes, axis=axis)]

    def _with_axis(self, value: Value, dim: int) -> Value:
        shape = (*value.shape[:dim], 1, *value.shape[dim:])
        if value.node is None:
            return replace(value, shape=shape)
        return self.writer.viewed(value, shape)

    # Layers

    def convolution(
        self, _name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]
    ) -> list[Value]:
        """Write a convolution in one or two dimensions."""
        value, weight, bias, stride, padding, dilation, transposed, _, groups = args
        if transposed or len(weight.shape) not in (3, 4) or weight.node is not None:
            raise LackingError("is transposed, of three dimensions, or has computed weights")
        _first(value, folded=len(weight.shape) == 4)
        out = weight.shape[0]
        usual = math.prod(weight.shape) + (0 if bias is None else out)
        learned = self.learned(weight, bias)
        options: dict[str, Any] = {
            "out_channels": out,
            "kernel": [*weight.shape[2:]],
            "stride": _per_axis(stride),
            "padding": _per_axis(padding),
            "dilation": _per_axis(dilation),
            "groups": groups,
            "bias": bias is not None,
        }
        if learned != usual:
            if learned not in (0, usual + out) or len(weight.shape) == 3:
                raise LackingError(f"has {learned} learned numbers; expected {usual}")
            options["learned" if not learned else "gain"] = bool(learned)
        op = "conv"
        if len(weight.shape) == 3:
            op = "conv1d"
            options = {key: _one(option) for key, option in options.items()}
        result = replace(value, shape=shapes[0])
        return [self.writer.write_like(result, op, value.node or "", **options)]

    def batch_norm(
        self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]
    ) -> list[Value]:
        """Write a batch normalisation of axis 1."""
        value, weight, bias = args[:3]
        axis = value.declared_axis(1)
        if len(value.shape) == 4 and value.inner > 1:
            axis = 1  # several maps of each image
        options = {"axis": axis, "eps": args[-1]} | self._affine(weight, bias, 2 * value.shape[1])
        if value.axis or value.before > 1 or (axis > 1 and len(value.shape) > 2):
            raise LackingError("has the batch at another axis than the first")
        return [self.writer.write_like(value, "batch_norm", value.node or "", **options)]

    def _affine(self, weight: Value | None, bias: Value | None, size: int) -> dict[str, bool]:
        """Write whether a norm has weights, and whether another layer has them already."""
        learned = self.learned(weight, bias)
        if weight is None:
            return {"affine": False}
        if learned not in (0, size):
            raise LackingError(f"has {learned} learned numbers; expected {size}")
        return {"affine": True, "learned": bool(learned)}

    def group_norm(
        self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]
    ) -> list[Value]:
        """Write a group normalisation."""
        value, weight, bias = args[:3]
        _first(value)
        options = {"groups": args[6]} | self._affine(weight, bias, 2 * value.shape[1])
        return [
            self.writer.write_like(value, "group_norm", value.node or "", eps=args[7], **options)
        ]

    def layer_norm(
        self, _name: str, args: Args, _kwargs: Kwargs, _shapes: list[Shape]
    ) -> list[Value]:
        """Write a normalisation over the last axes."""
        value, shape, weight = args[:3]
        axes, size = len(shape), math.prod(shape)
        if value.axis >= len(value.shape) - axes:
            raise LackingError("normalises over the batch")
        options: dict[str, Any] = {"axes": axes, "eps": args[-1]}
        has_bias = args[3] is not None
        options["bias"] = has_bias or weight is None
        options |= self._affine(weight, args[3], (1 + has_bias) * size)
        return [self.writer.write_like(value, "layer_norm", value.node or "", **options)]

    def product(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a matrix product: a linear layer if one side is constant."""
        bias = None
        if name == "linear":
            left, right, bias = [*args, None][:3]
            right = replace(right, shape=right.shape[::-1])
        elif name in ("addmm", "baddbmm"):
            bias, left, right = args[:3]
        else:
            left, right = args[:2]
        if bias is not None and bias.node is not None:
            raise LackingError("adds a computed tensor")
        (shape,) = shapes
        if left.node is not None and right.node is not None:
            return [self._matmul(left, right, shape)]
        computed, weight = (left, right) if right.node is None else (right, left)
        outputs = weight.shape[-1] if right.node is None else weight.shape[-2]
        learned = self.learned(weight)
        if right.node is not None:
            if bias is not None:
                raise LackingError("adds a bias to columns")
            dims = [*range(len(computed.shape))]
            dims[-1], dims[-2] = dims[-2], dims[-1]
            turned = self.writer.permuted_value(computed, dims)
            result = self._linear(turned, outputs, None, learned)
            return [self.writer.permuted_value(result, dims)]
        return [self._linear(computed, outputs, bias, learned)]

    def _linear(self, value: Value, outputs: int, bias: Value | None, learned: int) -> Value:
        if value.axis == len(value.shape) - 1:
            raise LackingError("works along the batch")
        size = 0 if bias is None else self.learned(bias)
        result = replace(value, shape=(*value.shape[:-1], outputs))
        return self.writer.write_like(
            result,
            "linear",
            value.node or "",
            out_features=outputs,
            bias=bias is not None,
            axis=len(value.declared),
            bias_size=-1 if bias is None or size == outputs else size,
            weight_size=-1 if learned == value.shape[-1] * outputs else learned,
        )

    def _matmul(self, left: Value, right: Value, shape: Shape) -> Value:
        ranks = {len(left.shape), len(right.shape)}
        same = (left.axis, left.before, left.inner) == (right.axis, right.before, right.inner)
        if len(ranks) > 1 or not same or left.axis >= len(shape) - 2:
            raise LackingError("multiplies matrices of several images")
        result = replace(left, shape=shape)
        return self.writer.write_like(result, "matmul", left.node or "", right.node or "")

    def activation(
        self, name: str, args: Args, kwargs: Kwargs, _shapes: list[Shape]
    ) -> list[Value]:
        """Write an activation."""
        value, *rest = args
        options: dict[str, Any] = {}
        op = name
        match name:
            case "hardtanh":
                low, high = _filled(rest, -1.0, 1.0)
                op = "relu6" if (low, high) == (0, 6) else "clamp"
                options = {} if op == "relu6" else {"min": low, "max": high}
            case "clamp" | "clamp_min" | "clamp_max":
                bounds = [None, *rest] if name == "clamp_max" else [*rest, None]
                op, options = "clamp", {"min": bounds[0], "max": bounds[1]}
                if any(isinstance(bound, Value) for bound in bounds):
                    raise LackingError("has a tensor as bound")
            case "leaky_relu":
                options = {"negative_slope": rest[0]} if rest else {}
            case "gelu":
                options = {"approximate": kwargs.get("approximate", "none")}
            case "elu":
                op = "selu" if len(rest) > 1 and rest[1] != 1 else "elu"
            case "_prelu_kernel":
                op, options = "prelu", {"slopes": self.learned(rest[0])}
            case "_softmax" | "_safe_softmax":
                op, options = "softmax", {"axis": value.declared_axis(rest[0])}
        return [self.writer.write_like(value, op, value.node or "", **options)]

    def pool(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a pooling."""
        value, kernel, stride, padding, *rest = _filled(args, None, None, [], [0, 0])
        _first(value, folded=True)
        is_max = name.startswith("max")
        options = {
            "kernel": _per_axis(kernel),
            "stride": _per_axis(stride or kernel),
            "padding": _per_axis(padding),
        }
        if is_max:
            dilation, ceil = _filled(rest, [1, 1], False)
            options["dilation"] = _per_axis(dilation)
        else:
            ceil, include, divisor = _filled(rest, False, True, None)
            options["count_include_pad"] = include
            if divisor is not None:
                raise LackingError("has a divisor of its own")
        options["ceil_mode"] = ceil
        op = "max_pool" if is_max else "avg_pool"
        result = replace(value, shape=shapes[0])
        return [self.writer.write_like(result, op, value.node or "", **options)]

    def adaptive_pool(
        self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]
    ) -> list[Value]:
        """Write a pooling to a given size."""
        value, size = args
        _first(value)
        kind = "max" if "max" in name else "avg"
        result = replace(value, shape=shapes[0])
        if [*size] == [1, 1]:
            return [self.writer.write_like(result, f"global_{kind}_pool", value.node or "")]
        op = f"adaptive_{kind}_pool"
        return [self.writer.write_like(result, op, value.node or "", size=[*size])]

    def reduce(self, name: str, args: Args, kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a reduction."""
        value, *rest = args
        if name == "linalg_vector_norm":
            order, *rest = rest or [2]
            if order != 2:
                raise LackingError(f"has order {order}; expected 2")
        dims = rest[0] if rest else kwargs.get("dim")
        keepdim = bool(rest[1]) if len(rest) > 1 and name not in ("var", "std") else False
        keepdim = bool(kwargs.get("keepdim", keepdim))
        if dims is None or dims == []:
            raise LackingError("reduces all axes")
        dims = [dim % len(value.shape) for dim in ([dims] if isinstance(dims, int) else dims)]
        axes = sorted(value.declared_axis(dim) for dim in dims)
        axis = value.axis if keepdim else value.axis - sum(dim < value.axis for dim in dims)
        result = replace(value, shape=shapes[0], axis=axis)
        function = {"amax": "max", "amin": "min", "linalg_vector_norm": "norm"}.get(name, name)
        if function == "mean" and axes == [2, 3] and len(value.declared) == 3:
            node = self.writer.write("global_avg_pool", value.node or "")
            return [replace(result, node=self.writer.reshaped(node, result.declared))]
        options = {"function": function, "axes": axes, "keepdim": keepdim}
        return [self.writer.write_like(result, "reduce", value.node or "", **options)]

    def function(self, name: str, args: Args, _kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a function of single elements."""
        options = {}
        if name == "pow":
            *args, exponent = args
            if isinstance(exponent, Value) or not isinstance(args[0], Value):
                raise LackingError("has a tensor as exponent")
            options = {"value": float(exponent)}
        return [self._elementwise("function", args, shapes[0], function=name, **options)]

    def binary(self, name: str, args: Args, kwargs: Kwargs, shapes: list[Shape]) -> list[Value]:
        """Write a sum or a product."""
        left, right = args[:2]
        values = [value for value in (left, right) if isinstance(value, Value)]
        computed = [value for value in values if value.node is not None]
        constants = [value for value in values if value.node is None]
        if len(computed) == 1 and not any(constant.weights for constant in constants):
            (value,) = computed
            number = next((arg for arg in (left, right) if not isinstance(arg, Value)), None)
            if number is None:  # values of constants are not kept
                return [self._expanded(value, shapes[0])]
            return [self._with_number(name, value, float(number), is_left=left is value)]
        if name == "rsub":
            left, right, name = right, left, "sub"
        if kwargs.get("alpha", 1) != 1:
            raise LackingError("has a factor")
        op = {"add": "add", "sub": "subtract", "div": "divide"}.get(name, "multiply")
        is_bias = bool(constants) and constants[0].shape == shapes[0][-1:]
        if op == "add" and self._joins_bias and is_bias:
            linear = self.writer.linear_before(computed[0].node or "", shapes[0][-1])
            if linear is not None:
                size = self.learned(constants[0])
                options = {name: linear[name] for name in _LINEAR & linear.keys()}
                if size != shapes[0][-1]:
                    options["bias_size"] = size
                node = self.writer.write("linear", *linear["inputs"], **options)
                node = self.writer.reshaped(node, computed[0].declared)
                return [replace(computed[0], node=node)]
        return [self._elementwise(op, (left, right), shapes[0])]

    def _with_number(self, name: str, value: Value, number: float, *, is_left: bool) -> Value:
        if name in ADDITIONS:
            if name == "rsub":
                return self._scaled(value, factor=-1.0, shift=number)
            return self._scaled(value, shift=number if name == "add" else -number)
        if name == "div":
            if not is_left or not number:
                raise LackingError("divides a number")
            return self._scaled(value, factor=1 / number)
        return self._scaled(value, factor=number)

    def _elementwise(self, op: str, args: Args, shape: Shape, **options: object) -> Value:
        """Write an operation on equal places of tensors and parameters."""
        if any(not isinstance(value, Value) for value in args):
            raise LackingError("has a number beside tensors")
        aligned = [
            value if value.node is None else self._aligned(value, len(shape)) for value in args
        ]
        computed = [value for value in aligned if value.node is not None]
        first = computed[0]
        for value in computed:
            if (value.axis, value.before, value.inner) != (first.axis, first.before, first.inner):
                raise LackingError("joins tensors with the batch at different axes")
        result = replace(first, shape=shape)
        nodes = [
            self.parameter(value, result) if value.node is None else value.node for value in aligned
        ]
        return self.writer.write_like(result, op, *nodes, **options)


def _filled(args: Args, *defaults: object) -> list[Any]:
    """Add the defaults of arguments that are left out."""
    return [*args, *defaults[len(args) :]]


def _first(value: Value, *, folded: bool = False) -> None:
    """Check that the first axis has the batch, and nothing else unless it may."""
    if value.axis or value.before != 1 or (value.inner != 1 and not folded):
        raise LackingError("has more than the batch in the first axis")


def _per_axis(sizes: Sequence[int]) -> list[int]:
    sizes = [*sizes]
    return sizes * 2 if len(sizes) == 1 else sizes


def _one(option: object) -> object:
    return option[0] if isinstance(option, list) else option


Rule = Callable[[Rules, str, Args, Kwargs, list[Shape]], list[Value]]

_VIEWS = """view _unsafe_view _reshape_alias reshape squeeze unsqueeze flatten unflatten"""
_MOVED = TRANSPARENT - {*_VIEWS.split(), "t", "transpose", "permute", "expand", "neg"}
_ACTIVATIONS = """relu relu6 hardtanh leaky_relu elu selu gelu silu mish sigmoid hardsigmoid
    hardswish tanh softplus _prelu_kernel _softmax _safe_softmax clamp clamp_min clamp_max"""
_NORMS = """native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _batch_norm_no_update cudnn_batch_norm"""
_FUNCTIONS = "sqrt rsqrt exp log abs reciprocal sin cos erf sign pow maximum minimum addcmul"
_RESIZES = """upsample_nearest2d upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa
    _upsample_bicubic2d_aa"""

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_VIEWS.split(), Rules.view),
    **dict.fromkeys(_MOVED, Rules.same),
    **dict.fromkeys(("t", "transpose", "permute"), Rules.permute),
    "expand": Rules.expand,
    "as_strided": Rules.restride,
    "neg": Rules.negate,
    "slice": Rules.slice,
    "narrow": Rules.narrow,
    "select": Rules.select,
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind"), Rules.split),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), Rules.pad),
    **dict.fromkeys(("roll", "flip"), Rules.roll),
    "unfold": Rules.windows,
    **dict.fromkeys(("im2col", "col2im"), Rules.unfold),
    **dict.fromkeys(_RESIZES.split(), Rules.resize),
    **dict.fromkeys(("cat", "stack"), Rules.concat),
    "convolution": Rules.convolution,
    **dict.fromkeys(_NORMS.split(), Rules.batch_norm),
    "native_group_norm": Rules.group_norm,
    "native_layer_norm": Rules.layer_norm,
    **dict.fromkeys(("linear", "mm", "bmm", "addmm", "baddbmm"), Rules.product),
    **dict.fromkeys(_ACTIVATIONS.split(), Rules.activation),
    **dict.fromkeys(("max_pool2d_with_indices", "avg_pool2d"), Rules.pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), Rules.adaptive_pool),
    **dict.fromkeys(
        ("mean", "sum", "amax", "amin", "var", "std", "linalg_vector_norm"), Rules.reduce
    ),
    **dict.fromkeys(_FUNCTIONS.split(), Rules.function),
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div", "multiply"), Rules.binary),
}
"""Rule of each operation, by its name."""
