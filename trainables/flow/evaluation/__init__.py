"""Metrics of trained weights."""
