"""When a network is held back, and when it is let go."""

from service.workers.quarantine import CAPACITY, EXPIRY_SECONDS, Quarantine


def test_one_loss_proves_nothing_and_a_second_does() -> None:
    quarantine = Quarantine()
    assert not quarantine.strike("a", "died")
    assert quarantine.reason("a") is None
    assert quarantine.strike("a", "died again")
    assert quarantine.reason("a") == "died again"
    assert quarantine.reason("b") is None


def test_success_and_time_clear() -> None:
    now = 0.0
    quarantine = Quarantine(clock=lambda: now)
    quarantine.strike("a", "died")
    quarantine.clear("a")
    assert not quarantine.strike("a", "died")
    assert quarantine.strike("a", "died")
    now = EXPIRY_SECONDS + 1
    assert quarantine.reason("a") is None
    assert not quarantine.strike("a", "died")


def test_it_does_not_grow_without_end() -> None:
    quarantine = Quarantine()
    quarantine.strike("first", "died")
    for i in range(CAPACITY):
        quarantine.strike(str(i), "died")
    assert not quarantine.strike("first", "died")  # forgotten, so this is its first again
