"""Recordings: found in Asterisk's spool, checked, kept, listed; who may listen; the nightly check."""
