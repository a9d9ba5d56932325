"""The timm space: networks of PyTorch Image Models, by name."""
