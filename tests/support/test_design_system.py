"""The design system's parts: vendored files, navigation, lists, numbers and moments for people (SCREENS, Rules)."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.template import Context, Template

from loyalty import listing, toasts
from loyalty.models import Programme, User
from offers.models import MassAssignment
from offers.models.assignment import STATUS_LABELS
from offers.models.catalogue import ConfigOffer
from support import navigation
from support.templatetags import laurel

VENDOR = Path(settings.BASE_DIR) / "support/static/vendor"
TEMPLATES = Path(settings.BASE_DIR) / "templates"


def draw(source: str, **context) -> str:
    return Template("{% load laurel %}" + source).render(Context(context)).strip()


def test_vendored_files_are_exactly_those_that_were_checked():
    listed = {}
    for line in (VENDOR / "CHECKSUMS.sha256").read_text().splitlines():
        checksum, name = line.split("  ", 1)
        listed[name] = checksum
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "CHECKSUMS.sha256"
    }
    assert found == listed


def test_every_vendored_library_brings_its_licence():
    libraries = [path for path in VENDOR.iterdir() if path.is_dir()]
    assert libraries
    assert [library.name for library in libraries if not (library / "LICENSE").is_file()] == []


def test_every_icon_that_a_template_names_is_in_the_sprite():
    known = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR.parent / laurel.SPRITE).read_text()))
    named = {item.icon for section in navigation.SECTIONS for item in section.items}
    for path in TEMPLATES.rglob("*.html"):
        named |= set(re.findall(r'(?:{%\s*icon |\bempty_icon=)"([^"]+)"', path.read_text()))
    assert named - known == set()


def test_no_template_carries_inline_style_or_script():
    """The content security policy forbids both: they would silently not work. Mails are plain HTML."""
    offending = []
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text()
        if re.search(r"\sstyle=|<style|\son[a-z]+=\"|hx-on", text):
            offending.append(path.name)
        for tag in re.findall(r"<script[^>]*>", text):
            if "src=" not in tag and "application/json" not in tag:
                offending.append(f"{path.name}: {tag}")
    assert offending == []


def test_every_state_of_the_domain_has_a_tone_and_a_word():
    states = {*STATUS_LABELS, *MassAssignment.State.values, *ConfigOffer.State.values}
    assert states - set(laurel.STATES) == set()


def test_a_state_is_a_word_and_not_only_a_colour():
    assert draw('{% state "usable" %}') == '<span class="state usable">usable</span>'
    assert draw('{% state "short" "141 short" "needs" %}') == '<span class="state needs">141 short</span>'


def test_money_is_written_in_the_programmes_currency_and_none_is_a_word():
    context = {"programme": Programme(currency="EUR", timezone="Europe/Paris")}
    assert draw("{% money 416400 %}", **context) == "4,164.00 €"
    assert draw('{% money 5 "JPY" %}', **context) == "¥5"
    assert draw("{% money nothing %}", nothing=None, **context) == "none"


def test_a_moment_is_in_the_programmes_zone_with_the_zone_on_hover():
    programme = Programme(timezone="Europe/Paris")
    drawn = draw("{% moment at %}", at=datetime(2025, 7, 14, 10, 3, tzinfo=UTC), programme=programme)
    assert ">14 Jul 2025 12:03</time>" in drawn
    assert "CEST (Europe/Paris)" in drawn
    assert draw("{% moment at %}", at=None) == '<span class="soft">never</span>'


def test_shares_and_counts_read_well():
    assert draw("{{ 144120|percent:1201000 }}") == "12 %"
    assert draw("{{ 49241|percent:1201000 }}") == "4.1 %"
    assert draw("{{ 0|percent:0 }}") == "none"
    assert draw("{{ 1041000|number }}") == "1,041,000"


def test_a_field_has_a_label_and_its_error_is_tied_to_it():
    class Form(forms.Form):
        name = forms.CharField(label="Name", help_text="As the till shows it")

    drawn = draw("{% field form.name %}", form=Form({"name": ""}))
    assert '<label for="id_name">Name' in drawn
    assert 'aria-invalid="true"' in drawn
    described = re.search(r'aria-describedby="([^"]+)"', drawn)
    assert described is not None
    for reference in described[1].split():
        assert f'id="{reference}"' in drawn


def test_what_people_type_is_escaped_in_every_part():
    evil = "<script>alert(1)</script>"
    for part in (
        "{% state it %}",
        "{% tile it it it %}",
        "{% empty it it %}",
        "{% copy it %}",
        '{% chart "a" labels series %}',
    ):
        drawn = draw(part, it=evil, labels=[evil], series=[{"label": evil, "values": [1]}])
        assert "<script>alert" not in drawn


OFFERS = ["Catalogue", "Templates"]
SETTINGS = ["Products", "Attributes", "API clients", "Allowances", "Roles", "Who looked at what", "Audit", "Settings"]


def shown_to(request, role: str, **programme) -> list[str]:
    request.user, _made = User.objects.get_or_create(username=role, is_staff=True)
    request.user.groups.add(Group.objects.get(name=role))
    request.programme = Programme(**programme)
    return [str(entry.label) for group in navigation.groups(request) for entry in group.entries]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("support agent", ["Home", "Members", "My grants", "Make good for many", *OFFERS, "Campaigns", "Products"]),
        (
            "marketer",
            [
                "Home",
                "Members by file",
                *OFFERS,
                "Vouchers",
                "Promotions",
                "Audiences",
                "Runs",
                "Campaigns",
                "Products",
                "Attributes",
            ],
        ),
        ("integration", ["Home", *OFFERS, "Campaigns", "Attributes", "API clients"]),
        (
            "administrator",
            [
                "Home",
                "Members",
                "My grants",
                "Make good for many",
                "Supervision",
                "Waiting grants",
                "Members by file",
                *OFFERS,
                "Vouchers",
                "Promotions",
                "Audiences",
                "Runs",
                "Campaigns",
                *SETTINGS,
            ],
        ),
    ],
)
def test_a_role_sees_only_its_own_navigation(rf, role, seen):
    """S0-20"""
    assert shown_to(rf.get("/"), role) == seen


@pytest.mark.django_db
def test_a_programme_without_the_offers_module_shows_nothing_of_it(rf):
    """S4-41"""
    assert shown_to(rf.get("/"), "administrator", offers_enabled=False) == [
        "Home",
        "Members",
        "My grants",
        "Supervision",
        "Members by file",
        *[label for label in SETTINGS if label != "Allowances"],
    ]


@pytest.mark.django_db
def test_the_offers_are_called_what_the_programme_calls_them(rf):
    """S4-03"""
    request = rf.get("/")
    shown_to(request, "marketer", offers_label="Bons")
    assert "Bons" in [str(group.label) for group in navigation.groups(request)]


@pytest.mark.django_db
def test_strangers_and_people_who_are_no_staff_see_no_navigation(rf):
    request = rf.get("/")
    request.user = User.objects.create_user("someone")
    assert navigation.groups(request) == []


@pytest.mark.parametrize(
    ("path", "current"),
    [("/", "/"), ("/admin/", "/admin/"), ("/admin/auth/group/1/", "/admin/"), ("/nowhere", ""), ("/administer", "")],
)
def test_the_nearest_entry_above_the_page_is_the_current_one(path, current):
    assert navigation._current(path, ["/", "/admin/"]) == current


COLUMNS = (listing.Column("name", "Name", sort="name"), listing.Column("currency", "Currency"))


@pytest.mark.django_db
def test_a_list_sorts_by_its_columns_only_and_keeps_its_filters(rf):
    for name in ("B", "A", "C"):
        Programme.objects.create(slug=name.lower(), name=name)
    shown = listing.Listing(rf.get("/?q=x&sort=-name&page=1"), Programme.objects.all(), columns=COLUMNS)
    assert [each.name for each in shown.page.object_list] == ["C", "B", "A"]
    assert [heading.direction for heading in shown.headings] == ["descending", ""]
    assert shown.headings[0].url == "?q=x&sort=name"
    assert shown.is_filtered
    foreign = listing.Listing(rf.get("/?sort=users__password"), Programme.objects.all(), columns=COLUMNS)
    assert foreign.sort == ""
    assert not foreign.is_filtered


@pytest.mark.django_db
def test_a_list_pages_and_an_impossible_page_is_the_first(rf):
    for number in range(5):
        Programme.objects.create(slug=f"p{number}", name=f"P{number}")
    programmes = Programme.objects.order_by("name")
    second = listing.Listing(rf.get("/?page=2"), programmes, columns=COLUMNS, page_size=2)
    assert [each.name for each in second.page.object_list] == ["P2", "P3"]
    assert second.count == 5
    assert (second.previous_url, second.next_url) == ("?page=1", "?page=3")
    assert listing.Listing(rf.get("/?page=99"), programmes, columns=COLUMNS, page_size=2).page.number == 1


def test_a_toast_for_htmx_keeps_what_else_the_answer_triggers():
    response = HttpResponse(headers={"HX-Trigger": '{"run-changed": true}'})
    toasts.trigger(response, "Granted.", undo="/undo/1")
    assert '"run-changed": true' in response["HX-Trigger"]
    assert '"undo": "/undo/1"' in response["HX-Trigger"]


def test_a_message_carries_its_undo():
    message = SimpleNamespace(extra_tags="undo=/undo/1")
    assert laurel.undo_url(message) == "/undo/1"
    assert laurel.undo_url(SimpleNamespace(extra_tags=None)) == ""
