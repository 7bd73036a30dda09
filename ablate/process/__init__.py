"""The process that a command runs in: its account, machine, modules, streams, signals."""
