"""The database: computed features and jobs."""
