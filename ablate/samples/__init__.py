"""What runs generated, kept for the eye."""
