"""The database: typed models, the engine, migrations and the demo city."""
