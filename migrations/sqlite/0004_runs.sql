-- When housekeeping was last done: what was due while no daemon ran is made up once.
CREATE TABLE runs (
    chore TEXT    NOT NULL PRIMARY KEY, -- 'prune', 'backup' or 'digest'
    at    INTEGER NOT NULL              -- when it was last done, or first waited for: milliseconds since the Unix epoch, UTC
) STRICT, WITHOUT ROWID;
