"""What Alembic runs to migrate: over the connection that the export has open, so that it is one transaction."""

from __future__ import annotations

from alembic import context

from immunomon.outputs.database.schema import metadata

__all__: list[str] = []


def _called_by_alembic() -> bool:
    try:
        return not context.is_offline_mode()
    except (NameError, AttributeError):  # imported by something else, before any migration or after one
        return False


if _called_by_alembic():
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    context.run_migrations()
