"""NATS-Bench's topology space (NAS-Bench-201): cells of four nodes and six edges."""
