"""Active learning: which architectures to label next."""
