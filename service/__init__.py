"""The server: HTTP, predictions, jobs, worker processes and the database."""
