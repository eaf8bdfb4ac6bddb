"""When a delivery is attempted again, and when it is given up."""

import pytest

from tidemark_notifier.delivery.errors import DeliveryError
from tidemark_notifier.delivery.retries import RetryPolicy

LATER = DeliveryError("later")


def test_delays_grow_and_vary_by_thirty_percent():
    policy = RetryPolicy()
    delays = [[policy.next_delay_seconds(attempts, LATER, chance) for chance in (0, 0.5, 1)] for attempts in (1, 2, 9)]
    assert delays[0] == pytest.approx([2.1, 3, 3.9])
    assert delays[1] == pytest.approx([5.25, 7.5, 9.75])
    assert delays[2] == pytest.approx([3204.3, 4577.6, 5950.9], abs=0.1)


def test_ten_attempts_span_about_two_hours():
    delays = [RetryPolicy().next_delay_seconds(attempts, LATER, 0.5) for attempts in range(1, 10)]
    assert 7200 < sum(delays) < 7800


def test_receiver_can_ask_for_a_longer_delay_and_not_for_a_shorter():
    policy = RetryPolicy()
    assert policy.next_delay_seconds(1, DeliveryError("busy", retry_after_seconds=600), 0.5) == 600
    assert policy.next_delay_seconds(9, DeliveryError("busy", retry_after_seconds=600), 0.5) > 4000


def test_no_attempt_follows_a_permanent_error_or_the_last_attempt():
    policy = RetryPolicy()
    assert policy.next_delay_seconds(9, LATER, 0.5) is not None
    assert policy.next_delay_seconds(10, LATER, 0.5) is None
    assert policy.next_delay_seconds(1, DeliveryError("unknown", permanent=True), 0.5) is None


def test_attempts_without_a_result_are_limited_too():
    assert RetryPolicy().may_attempt(10)
    assert not RetryPolicy().may_attempt(11)
