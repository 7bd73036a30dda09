"""Design -> plan; plan - ledger = the remaining runs. Pure."""
