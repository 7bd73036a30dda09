"""Pending runs -> events: the backends, and the worker's side."""
