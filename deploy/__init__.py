"""What runs the server elsewhere, and the proof that its image can be built and serves."""
