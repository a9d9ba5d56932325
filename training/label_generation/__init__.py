"""Label generation: trains networks from scratch, and measures their clean and robust accuracy."""
