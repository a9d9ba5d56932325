"""What surrounds the routes: authentication with rate limits, and request logging."""
