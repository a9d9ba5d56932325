"""The graph space: any CNN, declared as a JSON object of layers."""
