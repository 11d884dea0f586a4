"""The fault campaign: calls go on while parts are killed, hung, cut off; outside truth against the ledger."""
