"""A study directory in a notebook: read, never changed."""
