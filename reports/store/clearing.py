"""Which containers of a run still hold something, and that they were cleared."""

from __future__ import annotations

import sqlalchemy as sa

from reports.store import tables
from reports.store.checkpoint import Checkpoint


def containers_to_clear(checkpoint: Checkpoint, provider: str) -> list[str]:
    """The containers of `provider` that the run began and nobody has cleared since; not those of a step cache."""
    columns = tables.containers.c
    held = sa.select(columns.container).where(
        columns.provider == provider, columns.state != tables.CLEARED, columns.owner != tables.SHARED
    )
    return [row.container for row in checkpoint.read(held.order_by(columns.container))]


async def mark_cleared(checkpoint: Checkpoint, provider: str, container: str) -> None:
    """Note that nothing is left in `container`."""
    columns = tables.containers.c
    mine = (columns.run_id == checkpoint.run_id, columns.provider == provider, columns.container == container)
    statement = sa.update(tables.containers).where(*mine).values(state=tables.CLEARED)
    await checkpoint.written(lambda connection: connection.execute(statement))
