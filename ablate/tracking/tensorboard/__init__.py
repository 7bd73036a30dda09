"""TensorBoard: event files of a study's runs, made from the ledger."""
