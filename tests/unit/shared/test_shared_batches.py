"""Batches of records are decoded into events and dead letters."""

from batch_readers import read_items
from raw_batches import RawRecord, build_batch

from tidemark_consumption.ingest.decode import decode
from tidemark_shared.messaging.batches import decode_events
from tidemark_shared.messaging.topics import BALANCES, DIRECTORY, WORKLOGS


def test_tombstone_is_skipped_in_compacted_topics_and_a_dead_letter_elsewhere():
    (record,) = read_items(build_batch([RawRecord(None, b"key")]))
    assert decode_events(DIRECTORY, [record]) == ([], [])
    assert decode_events(BALANCES, [record]) == ([], [])
    events, dead_letters = decode_events(WORKLOGS, [record])
    assert events == []
    assert dead_letters[0].record is record
    assert "no value" in dead_letters[0].reason
    # Consumption has a decoder of its own for this topic.
    assert decode([record]) == ([], dead_letters)
