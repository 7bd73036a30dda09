"""The record of a study: rows, curves, what runs were made with."""
