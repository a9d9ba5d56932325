"""The web page: its files under ``static``, which use the server as any other HTTP client does."""
