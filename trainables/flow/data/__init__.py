"""Rows to train on, wherever they are."""
