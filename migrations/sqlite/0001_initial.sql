-- The first shape of the store. Never edited after a release: a change is another file (see ../README.md).
--
-- Times are milliseconds since the Unix epoch, UTC, in columns that claimwatch writes itself; the virtual columns show
-- times as the JSON has them, RFC 3339 with milliseconds in UTC, which sorts as it reads.
-- What only claimwatch reads as a whole is one JSON column; what is searched for is a virtual column over it, so that
-- there is one truth.

-- Counters of the store itself.
CREATE TABLE meta (
    key   TEXT    NOT NULL PRIMARY KEY,  -- 'last_seq' or 'daemon_generation'
    value INTEGER NOT NULL               -- its value; never falls
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('last_seq', 0), ('daemon_generation', 0);

-- Watch lists as they were last applied. A list that is gone keeps its row, since its orders keep their terms.
CREATE TABLE lists (
    name         TEXT    NOT NULL PRIMARY KEY,               -- the file name without .toml
    terms        TEXT    NOT NULL CHECK (json_valid(terms)), -- ListTerms: account, labels, rules; once a list, not once an order
    content_hash TEXT    NOT NULL,                           -- hash of all that the list says, its orders included
    in_force     INTEGER NOT NULL CHECK (in_force IN (0, 1)) -- 0: no file of this name any more
) STRICT, WITHOUT ROWID;

-- What is polled. A row stays when no list names the order any more.
-- A rowid table with a key of its own: rows of this size in the key's tree would make it several times as deep.
CREATE TABLE orders (
    stream      TEXT    NOT NULL PRIMARY KEY CHECK (length(stream) = 32), -- hash of provider, account, region, id: 32 hex digits
    provider    TEXT    NOT NULL CHECK (provider IN ('chime', 'connect')), -- the service
    account     TEXT    NOT NULL,                           -- the account's name in the configuration
    region      TEXT    NOT NULL,                           -- the account's region
    id          TEXT    NOT NULL,                           -- the bare id
    list        TEXT    NOT NULL REFERENCES lists (name),   -- the watch list; after untracking the last one
    declared    TEXT    NOT NULL CHECK (json_valid(declared)), -- Declared: what the list says of this order
    tracked     INTEGER NOT NULL CHECK (tracked IN (0, 1)), -- whether a list names it
    generation  INTEGER NOT NULL,                           -- rises with each change; guards against lost updates
    state       TEXT    NOT NULL CHECK (json_valid(state)), -- State without its numbers
    due_at      INTEGER,                                    -- when the next look is wanted; NULL: never
    wake_at     INTEGER,                                    -- when a time that matters comes; NULL: never
    answered_at INTEGER,                                    -- when the service last said something of it
    not_failed_at INTEGER,                                  -- the last look that saw a number of it not FAILED
    elsewhere_at INTEGER,                                   -- when it was last asked who else holds its number
    faults      INTEGER NOT NULL,                           -- looks in a row that were its own fault
    lane        TEXT    NOT NULL CHECK (lane IN ('urgent', 'pending', 'verify')), -- how urgent the next look is
    ahead_at    INTEGER,                                    -- when the look is due that the next alert is to rest on
    ahead_of    INTEGER,                                    -- when that alert is; NULL: no window is open
    status      TEXT GENERATED ALWAYS AS (state ->> '$.subject.Chime.status') VIRTUAL,  -- the Chime order's own status
    changed_at  TEXT GENERATED ALWAYS AS (state ->> '$.changed_at') VIRTUAL             -- when a status last changed
) STRICT;

-- The orders of a list, page by page.
CREATE INDEX orders_of_list ON orders (list, stream) WHERE tracked = 1;

-- The numbers of the orders.
CREATE TABLE numbers (
    stream          TEXT NOT NULL REFERENCES orders (stream),   -- the order
    number          TEXT NOT NULL,                              -- E.164; empty: not known yet
    state           TEXT NOT NULL CHECK (json_valid(state)),    -- Number
    status          TEXT GENERATED ALWAYS AS (                  -- the word of the record; NULL: never seen
        CASE
            WHEN state -> '$.status.InProgress' IS NOT NULL THEN 'IN_PROGRESS'
            WHEN state -> '$.status.Claimed' IS NOT NULL THEN 'CLAIMED'
            WHEN state -> '$.status.Failed' IS NOT NULL THEN 'FAILED'
            WHEN state -> '$.status.Released' IS NOT NULL THEN 'RELEASED'
        END) VIRTUAL,
    since           TEXT GENERATED ALWAYS AS (                  -- the look that first showed that status
        coalesce(state ->> '$.status.InProgress.since', state ->> '$.status.Claimed.since',
                 state ->> '$.status.Failed.since', state ->> '$.status.Released.since')) VIRTUAL,
    window_earliest TEXT GENERATED ALWAYS AS (state ->> '$.window.Open.earliest') VIRTUAL, -- NULL: no window is open
    window_latest   TEXT GENERATED ALWAYS AS (state ->> '$.window.Open.latest') VIRTUAL,   -- NULL: no window is open
    PRIMARY KEY (stream, number)
) STRICT, WITHOUT ROWID;

-- The history that `show` prints: what became of an order, in its own words. It outlives the events.
CREATE TABLE transitions (
    stream         TEXT    NOT NULL REFERENCES orders (stream), -- the order
    generation     INTEGER NOT NULL,                            -- the generation that it made
    n              INTEGER NOT NULL,                            -- its place among the records of that generation, from 0
    event          TEXT    NOT NULL,                            -- the event's name
    number         TEXT,                                        -- E.164, where it is about a number
    from_word      TEXT,                                        -- the status before
    to_word        TEXT,                                        -- the status after; NULL: not a change of status
    raw            TEXT,                                        -- the provider's word
    reason         TEXT,                                        -- the provider's message
    at             INTEGER,                                     -- when it was recorded
    observed_after INTEGER,                                     -- the look before: it happened after that
    PRIMARY KEY (stream, generation, n)
) STRICT, WITHOUT ROWID;

-- The outbox: every event, in the order in which it leaves.
-- No index over `id`: it is derived from stream, generation and place, and the guard on the generation already keeps it
-- unique; the index would cost a tenth of the throughput.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,                                       -- its place, from 1, without a gap
    stream TEXT NOT NULL,                                             -- an order's or scope's hash, or 'daemon'
    record TEXT NOT NULL CHECK (json_valid(record)),                  -- the record as it leaves, on one line
    id     TEXT GENERATED ALWAYS AS (record ->> '$.id') VIRTUAL,      -- <stream>-<generation>-<n>
    event  TEXT GENERATED ALWAYS AS (record ->> '$.event') VIRTUAL,   -- the event's name
    level  TEXT GENERATED ALWAYS AS (record ->> '$.level') VIRTUAL,   -- info, warn or error
    time   TEXT GENERATED ALWAYS AS (record ->> '$.time') VIRTUAL     -- when it was recorded
) STRICT;

-- Where events go to.
CREATE TABLE sinks (
    name TEXT NOT NULL PRIMARY KEY                                    -- the sink's name
) STRICT, WITHOUT ROWID;

-- One row for each event and sink. `seq` has no foreign key: pruning events would then search this table once an event.
CREATE TABLE deliveries (
    sink       TEXT    NOT NULL REFERENCES sinks (name) ON DELETE CASCADE, -- the sink
    seq        INTEGER NOT NULL,                                      -- the event
    state      TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')), -- where it stands
    attempts   INTEGER NOT NULL DEFAULT 0,                            -- how often the sink did not take it
    last_error TEXT,                                                  -- why it did not, the last time
    updated_at INTEGER,                                               -- when this row last changed; NULL: not tried
    PRIMARY KEY (sink, seq)
) STRICT, WITHOUT ROWID;

-- What a sink has not got, oldest first, however long the history is.
CREATE INDEX deliveries_pending ON deliveries (sink, seq) WHERE state = 'pending';

-- What is remembered of what shares a quota.
CREATE TABLE scopes (
    provider TEXT NOT NULL CHECK (provider IN ('chime', 'connect')),  -- the service
    account  TEXT NOT NULL,                                           -- the account's twelve digits, else its name
    region   TEXT NOT NULL,                                           -- the region
    memory   TEXT NOT NULL CHECK (json_valid(memory)),                -- ScopeMemory
    PRIMARY KEY (provider, account, region)
) STRICT, WITHOUT ROWID;
