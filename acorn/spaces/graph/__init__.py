"""The graph space: any CNN, declared as a JSON object of layers."""

from acorn.spaces.graph.space import GraphSpace

__all__ = ["GraphSpace"]
