"""What models are asked: one module per task."""
