"""The commands: arguments, printing and exit codes, without decisions."""
