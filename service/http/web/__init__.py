"""The web page: files under ``static`` that call the server as any other HTTP client does."""
