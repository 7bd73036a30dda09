"""What a command stands on: its account, machine, modules, streams, signals."""
