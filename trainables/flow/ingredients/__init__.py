"""Probability paths, couplings and augmentations: the functions of the tables in `config`."""
