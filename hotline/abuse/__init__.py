"""Abuse of the telephone and of the web desk, made on purpose: see README.md."""
