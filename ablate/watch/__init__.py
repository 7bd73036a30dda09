"""A study as seen from outside while it runs: in a browser, from its ledger alone."""
