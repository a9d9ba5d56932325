"""NATS-Bench's size space: one fixed cell, five widths."""
