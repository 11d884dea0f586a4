"""The private PostgreSQL of the tests: hotline/private_postgres.py under the name that the tests know."""

from hotline.private_postgres import Cluster, NoPostgres, binaries, cluster, running

__all__ = ["Cluster", "NoPostgres", "binaries", "cluster", "running"]
