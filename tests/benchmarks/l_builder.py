"""Row L: the builder's answer to a key, as a marketer feels it, over a million members.

A real Chromium types into the builder of a saved audience and waits for the sentence and the estimate to be there
again; the web is gunicorn with two processes. Goal: under 300 ms. The limit is the builder's own pause after a key and
one bare exchange with the same server; the usual way is that limit and an exact count by the ORM.
"""

import os
import re
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, sync_playwright

from loyalty import clock
from loyalty.models import Member, Programme, User
from offers.models import Targeting
from offers.services import targeting
from tests.benchmarks import harness, planting
from tests.benchmarks.d_member_list import PORTS, Server

CRITERIA: dict[str, Any] = {
    "op": "and",
    "items": [
        {"field": "member.city", "is": "equals", "value": "City 1"},
        {
            "op": "or",
            "items": [
                {"purchases": "amount", "where": {"last_days": 90}, "is": "greater", "value": 3000},
                {"field": "attribute.age", "is": "between", "value": [30, 49]},
                {"field": "member.tier", "is": "equals", "value": "gold"},
            ],
        },
    ],
}
# Every tenth member has bought three times: enough for purchases to be a real part of the question.
BUYERS_SHARE, RECEIPTS = 10, 3
FELT = """() => {
  window.felt = [];
  let key = 0;
  document.addEventListener("input", () => { key = performance.now(); });
  new MutationObserver(() => {
    if (!key || !document.querySelector("#preview .criteria-count")) return;
    const began = key;
    key = 0;
    requestAnimationFrame(() => requestAnimationFrame(() => window.felt.push(performance.now() - began)));
  }).observe(document.getElementById("preview"), { childList: true });
}"""


def run(*, n: int, repeats: int = 5) -> None:
    """Type four times as many keys as `repeats`; report the median and the slowest of them."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("Row L needs Chromium: install it (apt install chromium) or set CHROMIUM to its path.")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    programme = planting.programme()
    planting.members(programme, count=n)
    planting.attributes(programme)
    planting.purchases(programme, share=BUYERS_SHARE, each=RECEIPTS)
    saved = targeting.create(programme=programme, name="Bench", criteria=CRITERIA, actor=None)
    server = Server("laurel")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_context(base_url=f"http://127.0.0.1:{PORTS['laurel']}").new_page()
            _sign_in(page, programme)
            felt = sorted(_felt(page, saved, keys=4 * repeats))
            exchange = harness.median([_exchange(page) for _ in range(repeats)])
            browser.close()
    finally:
        server.stop()
    limit = _pause() + exchange
    exactly = harness.stopwatch(lambda: _counted_by_orm(programme))
    middle = harness.median(felt)
    harness.report(
        "L the builder's answer to a key, as felt",
        n=n,
        seconds=middle,
        ratio_to_limit=middle / limit,
        ratio_to_orm=(limit + exactly) / middle,
        slowest_seconds=round(felt[-1], 3),
        pause_seconds=_pause(),
        keys=len(felt),
    )


def _sign_in(page: Page, programme: Programme) -> None:
    user = User.objects.create_user(f"bench-{time.time_ns()}", is_staff=True)
    user.programmes.add(programme)
    user.groups.add(Group.objects.get(name="marketer"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "domain": "127.0.0.1", "path": "/"}]
    )


def _felt(page: Page, saved: Targeting, *, keys: int) -> list[float]:
    """Return for each key the seconds until its estimate was painted."""
    page.goto(reverse("offers:targeting", args=[saved.pk]))
    page.locator("#preview .criteria-count").wait_for()
    page.evaluate(FELT)
    field = page.get_by_role("group", name="Condition 1", exact=True).get_by_label("Value")
    for number in range(keys + 2):
        field.fill(f"City {number + 2}")
        page.wait_for_function("(count) => window.felt.length === count", arg=number + 1)
    # The first two warm the server's processes up.
    return [float(milliseconds) / 1000 for milliseconds in page.evaluate("window.felt")[2:]]


def _exchange(page: Page) -> float:
    """Return the seconds of the smallest request from this page to its server and back."""
    milliseconds = page.evaluate(
        "async () => { const began = performance.now(); await (await fetch('/healthz')).text();"
        " return performance.now() - began; }"
    )
    return float(milliseconds) / 1000


def _pause() -> float:
    """Return how many seconds the page waits for another key, as its template says."""
    template = Path(settings.BASE_DIR, "templates", "offers", "targeting.html").read_text()
    preview = template[template.index('id="preview"') :]
    found = re.search(r"delay:(\d+)ms", preview)
    assert found
    return int(found[1]) / 1000


def _counted_by_orm(programme: Programme) -> int:
    since = clock.now() - timedelta(days=90)
    members = Member.objects.filter(programme=programme, city="City 1").exclude(status=Member.Status.ERASED)
    spenders = (
        members.filter(purchases__purchased_at__gte=since)
        .annotate(spent=Sum("purchases__total_minor"))
        .filter(spent__gt=3000)
        .values("pk")
    )
    rest = members.filter(attributes__age__gte=30, attributes__age__lte=49) | members.filter(tier="gold")
    return (rest | members.filter(pk__in=spenders)).count()
