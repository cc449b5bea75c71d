"""The tables of the local edition's database, and how an older database becomes the present one.

Moments are microseconds since 1970 where the database compares them, fixed-width UTC text where people read them.
"""

from __future__ import annotations

# One script per schema version, in order; `PRAGMA user_version` counts those that were applied. A script that has been
# released never changes: the next change is another script.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('generation', 0), ('revision', 0);

    CREATE TABLE objects (
        bucket TEXT NOT NULL,
        generation INTEGER NOT NULL,
        name TEXT NOT NULL,
        file TEXT NOT NULL,            -- hash of bucket and name: the folder of its versions
        size INTEGER NOT NULL,
        md5 TEXT NOT NULL,             -- hexadecimal
        crc32c TEXT NOT NULL,          -- base64, big-endian
        content_type TEXT NOT NULL,
        metadata TEXT NOT NULL,        -- JSON
        stored_at TEXT NOT NULL,       -- UTC text
        current INTEGER NOT NULL,      -- 1: the name's current version
        PRIMARY KEY (bucket, generation)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX objects_current ON objects (bucket, name) WHERE current = 1;
    CREATE INDEX objects_file ON objects (bucket, file, generation);

    -- Versions whose row is gone and whose bytes still have to go.
    CREATE TABLE removals (
        bucket TEXT NOT NULL,
        generation INTEGER NOT NULL,
        file TEXT NOT NULL,
        PRIMARY KEY (bucket, generation)
    ) WITHOUT ROWID;

    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,           -- SHA-256 of the secret in the upload's URL
        bucket TEXT NOT NULL,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        if_generation INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        metadata TEXT NOT NULL,
        expires INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,   -- bytes on the disk, never more than were synced
        generation INTEGER             -- of the version that the upload became
    ) WITHOUT ROWID;
    CREATE INDEX uploads_expires ON uploads (bucket, expires);

    CREATE TABLE documents (
        key TEXT PRIMARY KEY,
        collection TEXT NOT NULL,      -- 'files', 'files/{parent}/versions'
        parent TEXT NOT NULL,          -- '' for a collection at the top
        revision INTEGER NOT NULL,
        body TEXT NOT NULL             -- JSON
    );

    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,            -- the event as JSON
        due INTEGER NOT NULL,
        coalesced INTEGER NOT NULL DEFAULT 0,
        owner TEXT,                    -- the opening of the database in which a handler works on it
        attempts INTEGER NOT NULL DEFAULT 0,
        interruptions INTEGER NOT NULL DEFAULT 0,
        code TEXT,                     -- of the last error
        reason TEXT,
        parked_at INTEGER
    );
    CREATE INDEX deliveries_due ON deliveries (topic, due) WHERE parked_at IS NULL;
    CREATE INDEX deliveries_key ON deliveries (topic, key) WHERE parked_at IS NULL;
    CREATE INDEX deliveries_parked ON deliveries (parked_at) WHERE parked_at IS NOT NULL;
    """,
    """
    ALTER TABLE deliveries ADD COLUMN timed INTEGER NOT NULL DEFAULT 0;      -- 1: not before `due`, whatever happens
    ALTER TABLE deliveries ADD COLUMN failed_at INTEGER;                     -- first failure, kept when it is replayed
    ALTER TABLE deliveries ADD COLUMN transient INTEGER NOT NULL DEFAULT 0;  -- 1: the last error may pass by itself
    -- Only deliveries that were never tried can have been published for a later time. Permanent errors park at once.
    UPDATE deliveries SET timed = 1 WHERE coalesced = 0 AND attempts = 0;
    UPDATE deliveries SET failed_at = parked_at, transient = attempts > 1 WHERE parked_at IS NOT NULL;
    DROP INDEX deliveries_parked;
    CREATE INDEX deliveries_parked ON deliveries (topic, key) WHERE parked_at IS NOT NULL;
    """,
)
