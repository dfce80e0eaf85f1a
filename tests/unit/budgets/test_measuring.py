"""How costs are measured."""

from gerbang.core.concurrency import run_concurrently

from tests.unit.budgets.measuring import Budget, RoundTrips


def test_concurrent_calls_count_once_and_sequential_calls_add_up(budget: Budget, trips: RoundTrips) -> None:
    def trip() -> None:
        budget.deployment.users.find("no-account")

    def three() -> None:
        for _ in range(3):
            trip()

    assert budget.of(lambda _: three()) == (3, 0)
    assert budget.of(lambda _: run_concurrently(trip, trip)) == (1, 0)
    assert budget.of(lambda _: run_concurrently(trip, three)) == (3, 0)
    assert budget.of(lambda _: run_concurrently(three, trip)) == (3, 0)
    assert budget.of(lambda _: run_concurrently(*[trip, trip, trip, trip])) == (1, 0)
    assert budget.of(
        lambda _: [run_concurrently(*[trip]), run_concurrently(*[trip, three, trip]), run_concurrently(*[trip])]
    ) == (5, 0)
    assert trips.count == 5
