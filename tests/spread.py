"""A database of ours, spread over machines by Citus (docs/scale.md), all shards on the server that is there."""

from __future__ import annotations

from psycopg import sql

from ingest.db import Connection

DISTRIBUTED = {"reading", "reading_hour", "reading_day", "reading_note", "reading_conflict", "latest"}
"""What grows with the readings: rows of one `channel_id`, and so of one sensor of one zone, lie on one machine. All
other tables stay on the first machine."""
ASKING_POLICIES = {"latest", "reading_conflict", "reading_note"}
"""Their rule for secretaries asks another table, which a distributed table's may not."""
OFFERS_CITUS = "SELECT current_setting('shared_preload_libraries') ~ 'citus'"
REFERENCES = """
SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY (%s::regclass[])
"""


def offers_citus(connection: Connection) -> bool:
    """Whether the server has loaded Citus."""
    return connection.execute(OFFERS_CITUS).fetchone() == (True,)


def spread(connection: Connection) -> None:
    """Spread the six tables of a connection that commits each statement, without what Citus takes from nobody: their
    references, and their three policies that ask another table."""
    connection.execute("CREATE EXTENSION citus")
    here = (connection.info.host, connection.info.port)
    connection.execute("SELECT citus_set_coordinator_host(%s, %s)", here)
    connection.execute("SELECT citus_set_node_property(%s, %s, 'shouldhaveshards', true)", here)
    connection.execute("SET citus.shard_count = 4")
    for table in sorted(ASKING_POLICIES):
        connection.execute(sql.SQL("DROP POLICY own_zone ON {}").format(sql.Identifier(table)))
    for table, name in connection.execute(REFERENCES, [list(DISTRIBUTED)]).fetchall():
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        connection.execute(drop.format(sql.Identifier(table), sql.Identifier(name)))
    for table in sorted(DISTRIBUTED):
        connection.execute("SELECT create_distributed_table(%s, 'channel_id', colocate_with => %s)", [table, "default"])
