-- A document that was given up at a version: what comes again of it opens no new letter.

CREATE INDEX dead_letters_discarded ON dead_letters (document) WHERE closed = 'discarded';
