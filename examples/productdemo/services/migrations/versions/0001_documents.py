"""Documents, their chunks, and a vector for each chunk."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE documents (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            title text NOT NULL,
            body text NOT NULL,
            digest text NOT NULL UNIQUE,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done')),
            created_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE chunks (
            document_id bigint NOT NULL REFERENCES documents ON DELETE CASCADE,
            position integer NOT NULL,
            body text NOT NULL,
            vector real[] NOT NULL,
            PRIMARY KEY (document_id, position)
        )""")


def downgrade() -> None:
    op.execute("DROP TABLE chunks")
    op.execute("DROP TABLE documents")
