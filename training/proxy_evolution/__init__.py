"""New proxies, bred by genetic programming over what layers show."""
