"""Trains packs of runs, step by step."""
