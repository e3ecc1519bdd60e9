"""From an event to points in the index: the steps of the handler, whatever the transport."""
