"""plan -> Ray Tune. Empty, so that Ray can start before Tune is imported."""
