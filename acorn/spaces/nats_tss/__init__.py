"""NATS-Bench's topology space (NAS-Bench-201): cells of four nodes and six edges."""

from acorn.spaces.nats_tss.cell import OPERATIONS, parse_cell
from acorn.spaces.nats_tss.space import NatsTopologySpace

__all__ = ["OPERATIONS", "NatsTopologySpace", "parse_cell"]
