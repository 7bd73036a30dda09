"""Views of what happens to runs."""
