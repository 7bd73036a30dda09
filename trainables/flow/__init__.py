"""Flow-matching training in pure torch: runs on a machine that has neither Ray nor W&B."""
