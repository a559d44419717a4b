"""The database's schema as a list of migrations; entry n leads from version n to n + 1.

A published entry is never edited: a change is a new entry. Columns of `charger`, `image` and
`rollout_charger` are the fields of `Charger`, `Image` and `Row`, by name.
"""

from __future__ import annotations

APPLICATION_ID = 0x46445231  # "FDR1": tells our databases from others

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE charger (
        charger_id TEXT PRIMARY KEY,
        site_id TEXT NOT NULL,
        vendor TEXT NOT NULL,
        model TEXT NOT NULL,
        firmware_version TEXT NOT NULL,
        version_stale INTEGER NOT NULL,
        password_hash TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        last_seen REAL,
        ocpp_version TEXT NOT NULL,
        registered_at REAL NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE image (
        url TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        release_date TEXT,
        size INTEGER,
        sha256 TEXT,
        signature TEXT,
        signing_certificate TEXT
    ) WITHOUT ROWID;

    -- chargers: JSON list in request order; head: the Head with its Plan, as JSON.
    -- A charger without a row in rollout_charger is pending and was never triggered.
    CREATE TABLE rollout (
        number INTEGER PRIMARY KEY,
        rollout_id TEXT NOT NULL UNIQUE,
        chargers TEXT NOT NULL,
        head TEXT NOT NULL
    );

    CREATE TABLE rollout_charger (
        rollout_id TEXT NOT NULL,
        charger_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        stage INTEGER NOT NULL,
        status TEXT NOT NULL,
        intent TEXT NOT NULL,
        detail TEXT,
        reason TEXT,
        progress INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        started_at REAL,
        completed_at REAL,
        retrieve_at REAL,
        deadline REAL,
        retry_until REAL,
        failures INTEGER NOT NULL,
        may_fail INTEGER NOT NULL,
        sends INTEGER NOT NULL,
        message_id TEXT,
        earlier_request_ids TEXT NOT NULL,
        request_id INTEGER,
        version_before TEXT NOT NULL,
        version_mismatch INTEGER NOT NULL,
        PRIMARY KEY (rollout_id, charger_id)
    ) WITHOUT ROWID;

    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        kind TEXT NOT NULL,
        rollout_id TEXT,
        charger_id TEXT,
        data TEXT NOT NULL
    );
    CREATE INDEX audit_of_rollout ON audit (rollout_id, number) WHERE rollout_id IS NOT NULL;

    -- body: the answer given, '' until it was.
    CREATE TABLE idempotency_key (
        key TEXT NOT NULL,
        operation TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        rollout_id TEXT NOT NULL,
        stage INTEGER NOT NULL,
        time REAL NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (operation, key)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE charger ADD COLUMN security_extension INTEGER NOT NULL DEFAULT 0",
)
