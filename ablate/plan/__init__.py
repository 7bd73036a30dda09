"""Design -> plan; plan - ledger = what is left to do. Pure."""
