"""The figures: each with its definition, counted from the ledger and the journal and nothing else."""
