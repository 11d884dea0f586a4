"""`hotline bench`: measure the hotline on this machine, on a line of its own (docs/bench.md)."""
