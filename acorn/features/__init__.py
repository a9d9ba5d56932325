"""From an architecture to its feature row: one path for server, pipeline and search."""
