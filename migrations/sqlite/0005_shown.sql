-- What people look at: orders by how much they want somebody, found by what they know of them, with what was sent of each.

-- Where the order stands, in a word; NULL: written by an older claimwatch, and filled in at the next start.
ALTER TABLE orders ADD COLUMN standing TEXT;
-- How much it wants somebody: 1 a window is open, 2 attention, 3 failed, 4 pending, 5 done.
ALTER TABLE orders ADD COLUMN urgency INTEGER;
-- Its place among those of the same urgency, ascending.
ALTER TABLE orders ADD COLUMN place INTEGER;
-- How many of its retry windows are open.
ALTER TABLE orders ADD COLUMN windows INTEGER;
-- How many of those nobody has acknowledged.
ALTER TABLE orders ADD COLUMN unacknowledged INTEGER;

-- Lists and counts are read from this alone. It moves only when a status changes.
CREATE INDEX orders_shown ON orders (urgency, place, stream, provider, account, list, standing, windows, unacknowledged)
WHERE tracked = 1;
-- Those that are still to be filled in.
CREATE INDEX orders_unfilled ON orders (stream) WHERE urgency IS NULL;
-- An order by its id, or the beginning of it.
CREATE INDEX orders_by_id ON orders (id);
-- An order by one of its numbers.
CREATE INDEX numbers_by_number ON numbers (number);
-- An order by the number that its list gives it, before the service has told one.
CREATE INDEX orders_by_declared ON orders (declared ->> '$.number') WHERE declared ->> '$.number' IS NOT NULL;

-- The event that told it; NULL: from before there was this column. The event itself may be pruned.
ALTER TABLE transitions ADD COLUMN seq INTEGER;
-- The latest changes of all orders.
CREATE INDEX transitions_by_seq ON transitions (seq) WHERE seq IS NOT NULL;
