"""Paths, couplings and augmentations: what the rows of `config` do."""
