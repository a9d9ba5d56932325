"""Middleware: authentication with rate limits, and request logging."""
