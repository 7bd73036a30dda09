"""Pictures as files: PNG and JPEG, and those that runs log of themselves."""
