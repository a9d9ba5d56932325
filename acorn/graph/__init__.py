"""The layer graph of a network: tracing, structure features, parameters and FLOPs."""
