"""Networks written as declared graphs: from a module, by one run on shapes alone."""

from acorn.spaces.graph.exporting.exporter import export_graph

__all__ = ["export_graph"]
