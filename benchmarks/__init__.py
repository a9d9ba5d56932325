"""Benchmarks that print the figures of the README and of docs/."""
