"""Full-text search over the chunks."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE chunks ADD COLUMN words tsvector NOT NULL"
        " GENERATED ALWAYS AS (to_tsvector('english', body)) STORED"
    )
    op.execute("CREATE INDEX chunks_words ON chunks USING gin (words)")


def downgrade() -> None:
    op.execute("ALTER TABLE chunks DROP COLUMN words")
