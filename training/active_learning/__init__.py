"""Which architectures to label next."""
