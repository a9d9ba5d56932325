"""The HTTP layer: application, routes, middleware, problem details."""
