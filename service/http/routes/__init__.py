"""Routes, one subject a module; :func:`service.http.app.create_app` finds every ``router``."""
