"""Scores of a bundle on labelled architectures, and the report that shows them."""
