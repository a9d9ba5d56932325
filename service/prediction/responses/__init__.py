"""Responses to predictions: their parts, their JSON, and the parts that never change."""
