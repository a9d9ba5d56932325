"""The published networks of each space, as torch modules."""
