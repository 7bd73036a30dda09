"""`python -m ablate.cli`: the command `ablate`."""

from ablate.cli.main import command

command()
