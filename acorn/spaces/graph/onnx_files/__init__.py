"""Networks in ONNX files, read as declared graphs."""

from acorn.spaces.graph.onnx_files.onnx_network import from_onnx

__all__ = ["from_onnx"]
