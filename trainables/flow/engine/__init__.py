"""Training: packs of runs, step by step."""
