"""Set-up of one machine: everything between a fresh clone and a running hotline.

Nothing in this package imports anything but the standard library, because it runs before the virtual
environment exists: `python3 -m hotline.setup run|test|check|clean`. What needs the environment (secrets,
database, demo city, menu) is in `hotline.prepare`.
"""
