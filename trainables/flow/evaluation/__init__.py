"""Measures trained weights."""
