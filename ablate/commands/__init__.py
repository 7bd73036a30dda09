"""Training scripts as trainables: how a command is written, started, read and resumed."""
