"""Networks in ONNX files: structure, and files that are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import acorn
from acorn.errors import InputError
from acorn.graph import count_params, structure_features, trace
from acorn.spaces.graph.onnx_files.onnx_reader import read_model
from tests.spaces.onnx_files import CONVOLUTIONS, attribute, field, model, node, tensor

SHAPE = (3, 32, 32)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(content)
    return path


def tokens(batch: int | str) -> bytes:
    """One block of attention, as exporters write it for one image."""
    return model(
        [
            node("Conv", "images patches", "c", kernel_shape=[8, 8], strides=[8, 8]),
            node("Reshape", "c three", "r"),
            node("Transpose", "r", "t", perm=[0, 2, 1]),
            node("LayerNormalization", "t scale shift", "n", axis=-1),
            node("MatMul", "n wqkv", "m"),
            node("Add", "m bqkv", "qkv"),
            node("Reshape", "qkv five", "q5"),
            node("Transpose", "q5", "q", perm=[2, 0, 3, 1, 4]),
            *(node("Gather", f"q index{i}", f"q{i}", axis=0) for i in range(3)),
            node("Transpose", "q1", "k", perm=[0, 1, 3, 2]),
            node("MatMul", "q0 k", "scores"),
            node("Softmax", "scores", "a", axis=-1),
            node("MatMul", "a q2", "v"),
            node("Transpose", "v", "v2", perm=[0, 2, 1, 3]),
            node("Reshape", "v2 back", "y"),
            node("Add", "t y", "x"),
            node("ReduceMean", "x axes", "mean", keepdims=0),
            node("Gemm", "mean w b", "logits"),
        ],
        {
            "patches": (12, 3, 8, 8),
            "scale": (12,),
            "shift": (12,),
            "wqkv": (12, 36),
            "bqkv": (36,),
            "w": (12, 10),
            "b": (10,),
        },
        {
            "three": [1, 12, 16],
            "five": [1, 16, 3, 2, 6],
            "back": [1, 16, 12],
            "axes": [1],
            **{f"index{i}": i for i in range(3)},
        },
        image=(batch, 3, 32, 32),
    )


def test_the_network_of_a_file_is_that_of_the_same_module(tmp_path: Path) -> None:
    spec = acorn.from_onnx(written(tmp_path, CONVOLUTIONS))
    rebuilt = acorn.build_network(spec)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip
    assert count_params(rebuilt) == count_params(network)
    assert structure_features(trace(rebuilt, SHAPE)) == pytest.approx(
        structure_features(trace(network, SHAPE))
    )


@pytest.mark.parametrize("batch", [1, "batch"])
def test_attention_is_read_for_any_number_of_images(tmp_path: Path, batch: int | str) -> None:
    spec = acorn.from_onnx(written(tmp_path, tokens(batch)))
    ops = [item["op"] for item in spec["arch"]["nodes"]]
    assert ops.count("matmul") == 2
    assert ops.count("softmax") == 1
    rebuilt = acorn.build_network(spec)
    assert count_params(rebuilt) == 12 * 192 + 24 + 12 * 36 + 36 + 12 * 10 + 10


def test_values_of_weights_are_not_read(tmp_path: Path) -> None:
    huge = tensor("w", (60_000, 60_000))
    graph = field(1, node("Flatten", "images", "f")) + field(1, node("Gemm", "f w", "logits"))
    path = written(tmp_path, field(7, graph + field(5, huge) + field(11, field(1, "images"))))
    with pytest.raises(InputError, match="has 1 inputs and 0 outputs"):
        acorn.from_onnx(path)


GOOD = node("Relu", "images", "logits")
BAD = {
    "nothing": (b"", "which cannot be read"),
    "text": (b"a text that is no model", "expected an ONNX file"),
    "no graph": (field(1, 8), "has no graph"),
    "cut short": (CONVOLUTIONS[:-40], "breaks off or is malformed"),
    "an open size": (model([GOOD], {}, image=(1, 3, "h", "w")), "with a fixed height and width"),
    "grey images": (model([GOOD], {}, image=(1, 1, 32, 32)), "expected \\(batch, 3, height"),
    "an unknown operation": (model([node("Loop", "images", "logits")], {}), "operation 'Loop'"),
    "a subgraph": (
        model([field(4, "If") + field(5, field(1, "then") + field(6, b""))], {}),
        "control flow, which is not read",
    ),
    "a domain": (model([GOOD + field(7, "com.evil")], {}), "'Relu' of 'com.evil'"),
    "functions": (field(7, b"") + field(25, b""), "functions of its own"),
    "a missing input": (model([node("Relu", "nowhere", "logits")], {}), "'nowhere'"),
    "no logits": (model([GOOD], {}), "a map of 3 x 32 x 32 as output"),
    "many axes": (model([GOOD], {"w": [1] * 20}), "more than 16 axes"),
    "a huge weight": (model([GOOD], {"w": [2**30, 2**30]}), "too large"),
    "a negative weight": (model([GOOD], {"w": [-1]}), "negative or too large"),
    "a long name": (model([node("Relu", "x" * 2_000, "y")], {}), "a name of 2000 bytes"),
    "many nodes": (model([GOOD] * 20_001, {}), "more than 20000 nodes"),
    "a number as a node": (field(7, field(1, 3)), "a number where a message is expected"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    with pytest.raises(InputError, match=message) as caught:
        acorn.from_onnx(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.onnx, which cannot be read"):
        acorn.from_onnx(tmp_path / "absent.onnx")


def read_error(path: Path) -> str:
    try:
        read_model(path)
    except InputError as error:
        return str(error)
    return ""


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_changed_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(CONVOLUTIONS)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = written(tmp_path_factory.getbasetemp(), bytes(content))
    assert "\n" not in read_error(path)


def test_attributes_of_every_kind(tmp_path: Path) -> None:
    with_text = node("AveragePool", "images", "x", auto_pad="SAME_UPPER", kernel_shape=[3, 3])
    parsed = read_model(written(tmp_path, model([with_text], {}, output="x")))
    (operation,) = parsed.operations
    assert operation.attributes == {"auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]}
    assert attribute("epsilon", 0.5).endswith(b"\x00\x00\x00?")


def group_norms() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2), nn.GroupNorm(4, 16), nn.ReLU(),
        nn.Conv2d(16, 16, 3), nn.InstanceNorm2d(16, affine=True), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, 8)
        self.block = nn.TransformerEncoderLayer(24, 3, 48, batch_first=True, activation="gelu")
        self.head = nn.Linear(24, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.block(tokens).mean(1))


@pytest.mark.filterwarnings("ignore")  # the exporter's own
@pytest.mark.parametrize("build", [group_norms, Attention])
def test_files_of_the_exporter(tmp_path: Path, build: Callable[[], nn.Module]) -> None:
    pytest.importorskip("onnx", reason="needs the extra bench")
    network, path = build().eval(), tmp_path / "net.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(1, *SHAPE),),
        path,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
    )
    rebuilt = acorn.build_network(acorn.from_onnx(path))
    assert count_params(rebuilt) == count_params(network)
    wanted, got = (structure_features(trace(net, SHAPE)) for net in (network, rebuilt))
    assert got["graph.log_flops"] == pytest.approx(wanted["graph.log_flops"], rel=0.01)
