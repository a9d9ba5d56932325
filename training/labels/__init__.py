"""Label tables: reading, merging, and importers of benchmark files."""
