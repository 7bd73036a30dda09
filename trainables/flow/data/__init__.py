"""Reads rows to train on, from files, object stores or generators."""
