"""Plan + ledger -> records of a report."""
