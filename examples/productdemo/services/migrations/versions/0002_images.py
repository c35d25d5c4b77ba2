"""Images as they were sent, and their thumbnails: in the database, so that every replica has them, and one backup."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE images (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text NOT NULL,
            original bytea NOT NULL,
            digest text NOT NULL UNIQUE,
            width integer NOT NULL,
            height integer NOT NULL,
            thumbnail bytea,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done')),
            created_at timestamptz NOT NULL DEFAULT now()
        )""")


def downgrade() -> None:
    op.execute("DROP TABLE images")
