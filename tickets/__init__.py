"""The 工单: its life, its number, its lists. No Flask and no Asterisk in here."""
