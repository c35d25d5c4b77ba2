"""Runs the migrations; where the database is, libpq knows from the PG* variables."""

from logging.config import fileConfig

from alembic import context
from app.settings import secret
from sqlalchemy import create_engine, text

fileConfig(context.config.config_file_name)

engine = create_engine("postgresql+psycopg://", connect_args={"password": secret("PGPASSWORD")})
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        # Held until the transaction ends: of two that migrate at once, the second waits and finds nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(30118)"))
        context.run_migrations()
