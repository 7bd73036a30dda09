"""One command over a study directory."""
