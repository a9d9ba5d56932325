"""NATS-Bench's size space: one fixed cell, five widths."""

from acorn.spaces.nats_sss.channels import parse_channels
from acorn.spaces.nats_sss.space import NatsSizeSpace

__all__ = ["NatsSizeSpace", "parse_channels"]
