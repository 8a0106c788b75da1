"""Answers that come late: held back until a test lets them go."""

from playwright.sync_api import Page, Route


def hold_back(page: Page, addresses: str, *, part: str) -> list[Route]:
    """Return the list that requests to `addresses` (a glob) wait in whose address contains `part`."""
    late: list[Route] = []

    def decide(route: Route) -> None:
        if part in route.request.url:
            late.append(route)
        else:
            route.continue_()

    page.route(addresses, decide)
    return late
