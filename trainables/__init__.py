"""Trainables that come with Ablate; `flow/` trains without Ray."""
