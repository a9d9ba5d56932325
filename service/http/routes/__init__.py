"""What the server answers, one subject a module."""
