import uuid

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from syncline_sync_worker.transport.kafka.partitions import partitions_of

IDS = st.lists(st.uuids().map(lambda each: each.bytes), max_size=50)
COUNTS = st.integers(1, 300)


@given(IDS, COUNTS)
def test_ids_go_where_every_kafka_client_puts_them(keys: list[bytes], count: int) -> None:
    everywhere = list(range(count))
    assert partitions_of(keys, count) == [DefaultPartitioner()(key, everywhere, everywhere) for key in keys]


@given(st.lists(st.binary(max_size=40), max_size=20), COUNTS)
def test_keys_of_any_length_do_too(keys: list[bytes], count: int) -> None:
    everywhere = list(range(count))
    assert partitions_of(keys, count) == [DefaultPartitioner()(key, everywhere, everywhere) for key in keys]


def test_documents_spread_over_all_partitions() -> None:
    keys = [uuid.uuid5(uuid.NAMESPACE_URL, str(number)).bytes for number in range(1200)]
    counts = [partitions_of(keys, 12).count(partition) for partition in range(12)]
    assert min(counts) > 60
