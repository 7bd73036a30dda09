"""Arguments, printing, exit codes; no decisions."""
