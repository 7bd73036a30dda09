"""Ledger -> tables: what a study found, from its ledger alone, without Ray or torch."""
