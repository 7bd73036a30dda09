"""Statistics of an ablation: pure functions on arrays, missing runs as nan."""
