"""Velocity networks, for stacked runs."""
