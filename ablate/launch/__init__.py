"""What is left to do -> events: backends, and the worker's side."""
