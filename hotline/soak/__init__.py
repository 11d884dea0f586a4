"""A shift's worth of busy hour, compressed, looked at from outside: see README.md."""
