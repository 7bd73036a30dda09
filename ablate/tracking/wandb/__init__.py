"""Weights & Biases: what it is told, and by whom."""
