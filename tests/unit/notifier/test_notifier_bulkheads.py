from tidemark_notifier.delivery.bulkheads import MAX_ATTEMPTS, MAX_PER_HOST, Bulkheads


def test_receiver_that_accepts_gets_more_places_and_one_that_fails_keeps_one():
    bulkheads, places = Bulkheads(), []
    for is_accepted in (True, True, True, True, False, True):
        bulkheads.enter("host", "receiver")
        bulkheads.leave("host", "receiver", is_accepted=is_accepted)
        places.append(bulkheads.free_by_receiver.get("receiver", 1))
    assert places == [2, 4, 8, 8, 1, 2]


def test_attempts_in_progress_take_places():
    bulkheads = Bulkheads()
    for number in range(3):
        bulkheads.enter("host", f"receiver {number}")
    assert bulkheads.free == MAX_ATTEMPTS - 3
    assert bulkheads.free_by_host == {"host": MAX_PER_HOST - 3}
    assert bulkheads.free_by_receiver == {f"receiver {number}": 0 for number in range(3)}
    for number in range(3):
        bulkheads.leave("host", f"receiver {number}", is_accepted=False)
    assert (bulkheads.free, bulkheads.free_by_host, bulkheads.free_by_receiver) == (MAX_ATTEMPTS, {}, {})


def test_receivers_of_the_past_are_forgotten():
    bulkheads = Bulkheads()
    for number in range(5_000):
        bulkheads.enter("host", str(number))
        bulkheads.leave("host", str(number), is_accepted=True)
    assert len(bulkheads.free_by_receiver) == 1_000
