-- Webhooks: sinks that choose what they get, and get it in order per stream.

-- Whether the sink chooses: 0: it gets every event, in strict `seq`.
ALTER TABLE sinks ADD COLUMN chooses INTEGER NOT NULL DEFAULT 0 CHECK (chooses IN (0, 1));
-- A hash of where it is; NULL: it gets everything.
ALTER TABLE sinks ADD COLUMN place TEXT;
-- The `sink_seq` of the last event that was queued to it.
ALTER TABLE sinks ADD COLUMN last_sink_seq INTEGER NOT NULL DEFAULT 0;
-- Rises with each event about it. Outlives the sink's registration in `sink_generations`.
ALTER TABLE sinks ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- Since when it takes nothing; NULL: it does.
ALTER TABLE sinks ADD COLUMN failing_since INTEGER;
-- Since when it is not tried any more; NULL: it is.
ALTER TABLE sinks ADD COLUMN disabled_since INTEGER;
-- 1: it is to be tried again although it is disabled.
ALTER TABLE sinks ADD COLUMN revived INTEGER NOT NULL DEFAULT 0 CHECK (revived IN (0, 1));

-- The generations of sinks that are gone: ids of their events are not used again when they come back.
CREATE TABLE sink_generations (
    name          TEXT    NOT NULL PRIMARY KEY,  -- the sink's name
    generation    INTEGER NOT NULL,              -- its generation when it went
    last_sink_seq INTEGER NOT NULL               -- its last `sink_seq` when it went
) STRICT, WITHOUT ROWID;

-- The event's stream, for a sink that chooses; NULL: it gets everything.
ALTER TABLE deliveries ADD COLUMN stream TEXT;
-- The event's place among those of the sink; NULL: as above.
ALTER TABLE deliveries ADD COLUMN sink_seq INTEGER;
-- What is held against the event; with twelve strikes it is dead.
ALTER TABLE deliveries ADD COLUMN strikes INTEGER NOT NULL DEFAULT 0;

-- What a sink has not got, oldest first, and by stream, however long the history is.
DROP INDEX deliveries_pending;
CREATE INDEX deliveries_pending ON deliveries (sink, seq, stream) WHERE state = 'pending';
-- What is dead is counted and shown.
CREATE INDEX deliveries_dead ON deliveries (sink, seq) WHERE state = 'dead';

-- Which store it is, a number of 63 bits: with it, ids of events are unique over all stores of the world.
INSERT INTO meta (key, value) VALUES ('store_id', abs(random() / 2));
