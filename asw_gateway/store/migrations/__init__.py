"""Alembic revisions, one file each in versions/: numbered, forward only, the same on both engines."""
