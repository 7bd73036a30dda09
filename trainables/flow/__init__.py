"""Flow-matching training in pure torch, without Ray or W&B."""
