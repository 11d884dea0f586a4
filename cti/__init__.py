"""The only process that talks to Asterisk: journal to ledger, events to floor, commands."""
