"""What one machine carries, where it breaks, what it costs: the runs of `hotline capacity`, their report."""
