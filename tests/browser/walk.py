"""Hands that drive a page, one by mouse and one by keyboard alone, and count what it takes.

The seconds that a person takes are estimated from the counts by the keystroke-level model (Card, Moran and Newell,
1980): 0.28 s a key, 1.3 s to point and click, 0.4 s to move a hand between mouse and keyboard, and 1.35 s to think
before each step. What the pages themselves take is measured.
"""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

KEY, CLICK, HOMING, THINKING = 0.28, 1.3, 0.4, 1.35
# More tabs than any page of ours has between two things that one needs.
MOST_TABS = 120


@dataclass
class Figures:
    clicks: int = 0
    keys: int = 0
    steps: int = 0
    homings: int = 0
    seconds: float = 0
    """What pages and browser took, from the first step to the last."""

    @property
    def person_seconds(self) -> float:
        return self.clicks * CLICK + self.keys * KEY + self.homings * HOMING + self.steps * THINKING


class Hand(ABC):
    """What both hands can do. `figures` counts it."""

    name = ""

    def __init__(self, page: Page) -> None:
        self.page, self.figures = page, Figures()
        self._began = time.monotonic()

    @abstractmethod
    def search(self, text: str, hit: str) -> None:
        """Find by the box in the header, and open the hit that has this text."""

    @abstractmethod
    def use(self, thing: Locator) -> None:
        """Press a button, or follow a link."""

    @abstractmethod
    def write(self, thing: Locator, text: str) -> None:
        """Write into a field."""

    @abstractmethod
    def choose(self, thing: Locator, label: str) -> None:
        """Take the option with this label from a list."""

    @abstractmethod
    def press(self, thing: Locator, key: str) -> None:
        """Do what a button does that has a key of its own: the mouse clicks it, the keyboard presses the key."""

    def done(self) -> Figures:
        self.figures.seconds = time.monotonic() - self._began
        return self.figures

    def _type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.figures.keys += len(text)

    def _key(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.figures.keys += 1

    def _arrive(self, name: str) -> None:
        # Before its scripts are there a page follows links as pages do, and a machine is quicker than they are.
        expect(self.page.get_by_role("heading", name=name, level=1)).to_be_visible()
        self.page.wait_for_load_state("networkidle")

    def _settle(self) -> None:
        """Wait until what was asked for stands on the page, with the focus where the page puts it."""
        self.page.wait_for_function("() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')")

    def _hit(self, hit: str) -> Locator:
        return self.page.locator("#search-results").get_by_role("link").filter(has_text=hit).first


class Mouse(Hand):
    """Points and clicks, and writes where something is to be written."""

    name = "mouse"

    def search(self, text: str, hit: str) -> None:
        self.write(self.page.get_by_role("searchbox").first, text)
        self.use(self._hit(hit))
        self._arrive(hit)

    def use(self, thing: Locator) -> None:
        thing.click()
        self.figures.clicks += 1
        self.figures.steps += 1

    def write(self, thing: Locator, text: str) -> None:
        self.use(thing)
        thing.press("Control+a")
        self._type(text)
        self.figures.homings += 2

    def choose(self, thing: Locator, label: str) -> None:
        # One click opens the list, the other one takes from it.
        thing.select_option(label=label)
        self.figures.clicks += 2
        self.figures.steps += 1

    def press(self, thing: Locator, key: str) -> None:
        self.use(thing)


class Keyboard(Hand):
    """Never touches the mouse: whatever it needs has to come under the focus."""

    name = "keyboard"

    def search(self, text: str, hit: str) -> None:
        self._key("/")
        # Earlier letters have answers of their own, whose hits go when the whole text's come.
        with self.page.expect_response(lambda answer: parse_qs(urlsplit(answer.url).query).get("q") == [text]):
            self._type(text)
        self._settle()
        found = self._hit(hit)
        expect(found).to_be_visible()
        for _ in range(10):
            self._key("ArrowDown")
            if _has_focus(found):
                break
        expect(found).to_be_focused()
        self._key("Enter")
        self._arrive(hit)
        self.figures.steps += 1

    def use(self, thing: Locator) -> None:
        self._go_to(thing)
        self._key("Enter")
        self.figures.steps += 1

    def write(self, thing: Locator, text: str) -> None:
        self._go_to(thing)
        self.page.keyboard.press("Control+a")
        self._type(text)
        self.figures.steps += 1

    def choose(self, thing: Locator, label: str) -> None:
        self._go_to(thing)
        # A closed list takes what begins with what is typed; three letters tell our reasons apart.
        self._type(label[:3])
        expect(thing.locator("option:checked")).to_have_text(label)
        self.figures.steps += 1

    def press(self, thing: Locator, key: str) -> None:
        expect(thing.first).to_be_visible()
        self._key(key)
        self.figures.steps += 1

    def _go_to(self, thing: Locator) -> None:
        expect(thing).to_be_visible()
        self._settle()
        if not _has_focus(thing) and self.page.evaluate("document.activeElement === document.body"):
            # The first stop of a page leads past its header and navigation.
            self._key("Tab")
            if self.page.evaluate("document.activeElement.matches('.skip')"):
                self._key("Enter")
        for _ in range(MOST_TABS):
            if _has_focus(thing):
                return
            self._key("Tab")
        expect(thing).to_be_focused()


def _has_focus(thing: Locator) -> bool:
    return bool(thing.evaluate("one => one === document.activeElement"))
