-- A due time says when it was decided: one that was decided by a clock that has gone back since says nothing.

-- When `due_at` was decided; NULL: by a version that did not say.
ALTER TABLE orders ADD COLUMN decided_at INTEGER;
