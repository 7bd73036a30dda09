"""YAML -> study -> design, every mistake at once. Pure."""
