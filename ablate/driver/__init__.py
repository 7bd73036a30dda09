"""Runs one command over a study directory."""
