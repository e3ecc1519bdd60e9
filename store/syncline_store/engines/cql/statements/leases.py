"""The leases' table. `alive` ends by its TTL; everything else stays."""

from syncline_store.engines.cql.session import Statement

GET = Statement("SELECT holder, epoch, alive, mark FROM {keyspace}.leases WHERE shard = ?", serial=True)

# The first lease of a shard. Empty instead of null, so that every mark can be compared with it.
MAKE = Statement("INSERT INTO {keyspace}.leases (shard, holder, epoch, mark) VALUES (?, ?, ?, 0x) IF NOT EXISTS")

# Another's that has ended; and one that was released or is our own.
TAKE_OVER = Statement("UPDATE {keyspace}.leases SET holder = ?, epoch = ? WHERE shard = ? IF epoch = ? AND holder = ? AND alive = null")
TAKE = Statement("UPDATE {keyspace}.leases SET holder = ?, epoch = ? WHERE shard = ? IF epoch = ? AND holder = ?")

# Goes in one batch with each of the three above.
ALIVE = Statement("UPDATE {keyspace}.leases USING TTL ? SET alive = true WHERE shard = ?")

RENEW = Statement("UPDATE {keyspace}.leases USING TTL ? SET alive = true WHERE shard = ? IF epoch = ? AND holder = ?")
CHECKPOINT = Statement("UPDATE {keyspace}.leases SET mark = ? WHERE shard = ? IF epoch = ? AND holder = ? AND mark < ?")
RELEASE = Statement("UPDATE {keyspace}.leases SET holder = '', alive = null WHERE shard = ? IF epoch = ? AND holder = ?")
