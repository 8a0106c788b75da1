"""A real Chromium against a live server. What the browser complains of (the content security policy above all)
fails the test that provoked it.

Without a Chromium these tests are skipped loudly; `LAUREL_REQUIRE_BROWSER=1` makes that an error.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from loyalty.models import Programme, User
from offers.models import ConfigOffer, Targeting
from tests.factories import ConfigOfferFactory, MemberFactory, TargetingFactory

# Playwright keeps an event loop in this thread, which Django takes for asynchronous code; nothing here awaits.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# A loaded machine is no bug.
expect.set_options(timeout=20_000)
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
PASSWORD = "a quiet and long password"
# The first one has no windows: a page costs it half, as nothing draws tabs and a toolbar around it.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        missing = "NO BROWSER: install Chromium (apt install chromium-headless-shell) or set CHROMIUM to its path."
        if os.environ.get("LAUREL_REQUIRE_BROWSER") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """Collect the browser's errors; a test that provokes one on purpose clears the list."""
    return []


@pytest.fixture
def open_context(browser: Browser, live_server, complaints: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    """Return a maker of browser windows: `open_context(viewport=…, color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def note(message: ConsoleMessage) -> None:
        # Leaving a page while it still asks for something aborts that request, and htmx reports it as an error.
        # One that truly failed says htmx:sendError or htmx:responseError as well.
        is_left_behind = message.text.startswith(("htmx:sendAbort", "htmx:afterRequest"))
        if message.type == "error" and not is_left_behind:
            complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def make(**options) -> BrowserContext:
        context = browser.new_context(
            **{"base_url": live_server.url, "viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
        )
        context.set_default_timeout(15_000)
        context.on("console", note)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_context) -> Page:
    return open_context().new_page()


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    # The slowness of a real hash is its purpose, and none of these tests'.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def programme() -> Programme:
    return Programme.objects.create(slug="laurel", name="Laurel Markets", currency="EUR", timezone="Europe/Paris")


@pytest.fixture
def person(programme: Programme) -> Callable[..., User]:
    """Return a maker of staff: `person("marketer")`; `person("superuser")` may do everything."""

    def make(role: str) -> User:
        user = User.objects.create_user(
            role.replace(" ", "-"),
            email=f"{role.replace(' ', '.')}@example.com",
            password=PASSWORD,
            is_staff=True,
            is_superuser=role == "superuser",
        )
        user.programmes.add(programme)
        if role != "superuser":
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def sign_in(live_server) -> Callable[[Page, User], None]:
    """Sign a person in without filling in the form each time."""

    def sign(page: Page, user: User) -> None:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie.value, "url": live_server.url}]
        )

    return sign


@pytest.fixture
def shoot() -> Callable[..., None]:
    """Take pictures for people to look at, at a desk's and a phone's width; only where LAUREL_SHOTS names a folder."""
    folder = os.environ.get("LAUREL_SHOTS")

    def take(page: Page, name: str, *, whole: bool = False) -> None:
        if not folder:
            return
        before = page.viewport_size
        for width, height in ((1280, 800), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(250)
            # Hiding the caret would need an inline style, which the policy rightly blocks.
            page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=whole, caret="initial")
        if before:
            page.set_viewport_size(before)

    return take


@pytest.fixture
def assert_accessible(complaints: list[str]) -> Callable[[Page], None]:
    """Fail on anything that axe calls serious or critical, naming the elements."""

    def check(page: Page) -> None:
        # A colour on its way to another one is nobody's choice. An animation of what was swapped away may never finish.
        page.evaluate(
            """() => Promise.race([
                 Promise.allSettled(document.getAnimations()
                   .filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished)),
                 new Promise((resolve) => setTimeout(resolve, 1000)),
               ])"""
        )
        already = len(complaints)
        found = Axe().run(page).response["violations"]
        # axe tries inline styles of its own, which the policy rightly blocks.
        del complaints[already:]
        serious = [
            f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes'][:4]]}"
            for violation in found
            if violation["impact"] in {"serious", "critical"}
        ]
        assert serious == []

    return check


@pytest.fixture
def look(assert_accessible) -> Callable[[Page, str], None]:
    """Check a page at a desk's and a phone's width, that it is accessible and does not scroll sideways.

    Where LAUREL_SHOTS names a folder, pictures of both are kept there.
    """
    folder = os.environ.get("LAUREL_SHOTS")

    def check(page: Page, name: str) -> None:
        for size, view in (("desk", DESK), ("phone", PHONE)):
            page.set_viewport_size(view)
            assert_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide: {size}"
            if folder:
                # Hiding the caret leaves styles at fields, which the next swap would carry on.
                page.screenshot(path=Path(folder) / f"{name}-{size}.png", full_page=True, caret="initial")
        page.set_viewport_size(DESK)

    return check


@pytest.fixture
def coffee(programme: Programme) -> ConfigOffer:
    """An offer with codes, and six members who may be given it."""
    MemberFactory.create_batch(6, programme=programme)
    return ConfigOfferFactory(programme=programme, name="Coffee", offer_reference="COFFEE", require_vouchers=True)


@pytest.fixture
def everyone(programme: Programme) -> Targeting:
    return TargetingFactory(programme=programme, name="Everyone")


@pytest.fixture
def builder(page, programme, person, sign_in):
    """Open the builder on a tree; criteria stand for a saved audience, nothing for a new one."""
    sign_in(page, person("marketer"))

    def open_(criteria=None) -> Locator:
        address = reverse("offers:targeting-create")
        if criteria is not None:
            saved = TargetingFactory(programme=programme, name="Locals", criteria=criteria)
            address = reverse("offers:targeting", args=[saved.pk])
        page.goto(address)
        expect(page.locator("#builder .criteria-group").first).to_be_visible()
        return page.locator("#builder")

    return open_
