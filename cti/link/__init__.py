"""The link between cti and desktops: the floor replicated, commands acknowledged."""
