-- A document that was given up at a version: what comes again of it opens no new letter. And open letters are found beside any number
-- of closed ones.

CREATE INDEX dead_letters_discarded ON dead_letters (document) WHERE closed = 'discarded';
CREATE INDEX dead_letters_open ON dead_letters (first_at, id) WHERE closed IS NULL;
