"""Image batches: generated images, and images that a user supplies."""

from acorn.batches.batch import Batch, embedded_batch, resized
from acorn.batches.sources import load_batch, open_batch

__all__ = ["Batch", "embedded_batch", "load_batch", "open_batch", "resized"]
