"""Who guesses passwords or floods the telephone from outside is shut out: see README.md."""
