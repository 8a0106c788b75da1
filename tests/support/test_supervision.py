"""Supervision: figures of the ledger, what stands out, and the rows behind each number (B-05, issue 5)."""

import random
import re
import statistics
import uuid
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import AuditEvent
from offers.models import GrantLedgerEntry
from support.models import GrantBatch, GrantRequest
from support.selectors import ledger, supervision
from support.selectors import period as periods
from support.selectors.period import Period
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    OfferTemplateFactory,
    ProgrammeFactory,
    UserFactory,
)
from tests.support.supervision_cases import entry
from tests.support.test_ledger import granted

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
MARCH = Period("own", MONDAY, MONDAY + timedelta(days=27))
REASONS = ("goodwill", "service", "expired")


@pytest.fixture
def programme():
    return ProgrammeFactory(currency="EUR", timezone="Pacific/Auckland")


@pytest.fixture
def lead(programme):
    return UserFactory(role="support lead", programmes=[programme])


def template_of(programme, **more):
    offer = ConfigOfferFactory(
        programme=programme,
        terms={"validity": {"days": 30}, "benefit": {"type": "amount", "size": 500}, "redemption_limit": {"limit": 1}},
        repeat_policy="unlimited",
    )
    return OfferTemplateFactory(config_offer=offer, required_rules=["benefit"], **more)


@pytest.fixture
def template(programme):
    return template_of(programme)


@pytest.fixture
def agents(programme):
    return UserFactory.create_batch(3, role="support agent", programmes=[programme])


@pytest.fixture
def mixed(programme, agents, template):
    """Some months of grants of a desk, many kinds of them, with a neighbour programme's beside."""
    rng = random.Random(7)
    members, other = MemberFactory.create_batch(6, programme=programme), template_of(programme)
    for number in range(160):
        entry(
            rng.choice(agents),
            rng.choice(members),
            rng.choice([template, other]),
            day=MONDAY + timedelta(days=rng.randrange(-20, 50)),
            size=rng.choice([0, 100, 500, 500, 1250]),
            reason=rng.choice(REASONS),
            ticket=rng.choice(["", "", "#7", "7 ", f"#{number}"]),
            is_back=rng.random() < 0.2,
        )
    foreign = template_of(ProgrammeFactory())
    entry(agents[0], MemberFactory(programme=foreign.programme), foreign, day=MONDAY)


def counted(key, rows):
    """Count grants as a person would: what was granted, what of it was taken back, by what `key` says of a row."""
    found = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        one = found[key(row)]
        place = 0 if row.n == 1 else 2
        one[place] += 1
        one[place + 1] += abs(row.exposure_minor)
    return dict(found)


def told(lines):
    return {line.key: [line.granted, line.granted_minor, line.back, line.back_minor] for line in lines}


@pytest.mark.parametrize(
    "days", [MARCH, Period("own", date(2026, 2, 25), date(2026, 3, 11)), Period("own", MONDAY, MONDAY)]
)
def test_b_05_the_figures_are_those_of_plain_counting(programme, mixed, days):
    """By agent, reason, offer and week, numbers and money, granted and taken back: counted again in Python."""
    figures = supervision.overview(programme=programme, period=days)
    rows = list(GrantLedgerEntry.objects.filter(programme=programme, day__gte=days.first, day__lte=days.last))
    assert told([figures.total]) == counted(lambda row: "", rows)
    assert told(figures.agents) == counted(lambda row: str(row.agent_id), rows)
    assert told(figures.reasons) == counted(lambda row: row.reason, rows)
    assert told(figures.offers) == counted(lambda row: str(row.config_offer_id), rows)
    weeks = counted(lambda row: (row.day - timedelta(days=row.day.weekday())).isoformat(), rows)
    assert {key: line for key, line in told(figures.weeks).items() if any(line)} == weeks
    assert [line.key for line in figures.weeks] == [day.isoformat() for day in days.mondays]
    assert figures.agents == sorted(figures.agents, key=lambda line: -line.kept)


def test_b_05_members_tickets_and_medians_are_those_of_plain_counting(programme, mixed):
    figures = supervision.overview(programme=programme, period=MARCH)
    rows = list(
        GrantLedgerEntry.objects.filter(programme=programme, day__gte=MARCH.first, day__lte=MARCH.last).select_related(
            "member"
        )
    )
    by_member, by_ticket = Counter(), Counter()
    for row in rows:
        by_member[row.member.external_id] += row.n
        by_ticket[row.ticket_key] += row.n
    assert {line.key: line.granted for line in figures.members} == {k: n for k, n in by_member.items() if n > 1}
    most = {key: n for key, n in by_ticket.items() if key and n > 1}
    # "#7" and "7 " are one ticket.
    assert "7" in most
    assert {line.key: line.granted for line in figures.tickets} == most
    above = {}
    for template in {row.template_id for row in rows}:
        sizes = [row.exposure_minor for row in rows if row.template_id == template and row.n == 1]
        median = statistics.median_low(sizes)
        above[str(template)] = (sum(size > median for size in sizes), median)
    assert {line.key: (line.granted, line.granted_minor) for line in figures.templates} == above


def test_b_05_a_days_edge_is_that_of_the_programme(programme, agents, template):
    """D-09: one in the morning of Monday in Auckland is Sunday noon in UTC; it counts in the new week."""
    ann = MemberFactory(programme=programme)
    granted(ann, template, agents[0], now=datetime(2026, 3, 1, 10, 59, tzinfo=UTC))
    granted(ann, template, agents[0], now=datetime(2026, 3, 1, 11, 0, tzinfo=UTC))
    week = Period("own", MONDAY, MONDAY + timedelta(days=6))
    assert supervision.overview(programme=programme, period=week).total.granted == 1
    before = Period("own", MONDAY - timedelta(days=7), MONDAY - timedelta(days=1))
    assert supervision.overview(programme=programme, period=before).total.granted == 1
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    this = periods.named(programme=programme, name="week", now=noon)
    assert (this.first, this.last) == (MONDAY, MONDAY + timedelta(days=6))
    last = periods.named(programme=programme, name="last_week", now=noon)
    assert (last.first, last.last) == (MONDAY - timedelta(days=7), MONDAY - timedelta(days=1))
    recent = periods.named(programme=programme, name="28_days", now=noon)
    assert (recent.first, recent.last) == (MONDAY - timedelta(days=27), MONDAY)


def test_b_05_what_waits_and_what_was_declined_stands_beside_its_agent(programme, agents, template, lead):
    """Also of an agent who was granted nothing; a day's edge is the programme's (D-09)."""
    ann = MemberFactory(programme=programme)
    entry(agents[0], ann, template, day=MONDAY)
    of = {"programme": programme, "template": template, "terms": {}, "reason": "goodwill"}

    def ask(agent, state, at, model=GrantRequest, **more):
        decided = {} if state == "waiting" else {"decided_by": lead, "decided_at": at}
        model.objects.create(
            **of, exposure_minor=1, reference=uuid.uuid4(), asked_by=agent, asked_at=at, expires_at=at, state=state,
            **decided, **more,
        )  # fmt: skip

    begin = datetime(2026, 3, 1, 11, tzinfo=UTC)
    ask(agents[0], "waiting", begin, member=ann)
    ask(agents[0], "waiting", begin, model=GrantBatch)
    ask(agents[0], "waiting", begin - timedelta(seconds=1), member=ann)
    ask(agents[1], "declined", begin, member=ann)
    lines = supervision.overview(programme=programme, period=MARCH).agents
    assert [(line.key, line.granted, line.waiting, line.declined) for line in lines] == [
        (str(agents[0].pk), 1, 2, 0), (str(agents[1].pk), 0, 0, 1)
    ]  # fmt: skip


def desk(programme, template, numbers, *, size=100):
    """Let as many agents as there are numbers grant so many each; return them."""
    agents = UserFactory.create_batch(len(numbers), role="support agent", programmes=[programme])
    ann = MemberFactory(programme=programme)
    for agent, number in zip(agents, numbers, strict=True):
        for _ in range(number):
            entry(agent, ann, template, day=MONDAY, size=size)
    return agents


def test_b_05_an_agent_far_above_the_others_stands_out_by_number_and_by_money(programme, template):
    *_, busy = desk(programme, template, [5, 6, 6, 7, 30])
    figures = supervision.overview(programme=programme, period=MARCH)
    # Quartiles of 5, 6, 6, 7, 30 are 6 and 7.
    assert (figures.number_fence, figures.money_fence) == (8.5, 850)
    [one] = figures.outliers
    assert (one.line.key, one.by_number, one.by_money) == (str(busy.pk), True, True)


def test_b_05_what_was_taken_back_makes_nobody_an_outlier(programme, template):
    *_, busy = desk(programme, template, [5, 6, 6, 7, 5])
    ann = MemberFactory(programme=programme)
    for _ in range(25):
        entry(busy, ann, template, day=MONDAY, size=100, is_back=True)
    assert supervision.overview(programme=programme, period=MARCH).outliers == []


def test_b_05_few_grants_and_few_agents_say_nothing(programme, template):
    """Four grants beside agents with none to one are not named; with four agents it is too few to tell."""
    desk(programme, template, [1, 1, 1, 1, 4])
    assert supervision.overview(programme=programme, period=MARCH).outliers == []
    other = template_of(ProgrammeFactory())
    desk(other.programme, other, [1, 1, 1, 40])
    figures = supervision.overview(programme=other.programme, period=MARCH)
    assert (figures.number_fence, figures.money_fence, figures.outliers) == (None, None, [])


class TestPages:
    @pytest.fixture(autouse=True)
    def _sign_in(self, client, lead):
        client.force_login(lead)

    def test_b_05_each_number_leads_to_its_rows(self, client, programme, mixed):
        """Every link of the overview to the list, followed: as many rows as the number said."""
        page = client.get(reverse("support:supervision"), {"period": "own", "since": MARCH.first, "until": MARCH.last})
        figures = supervision.overview(programme=programme, period=MARCH)
        links = {unescape(link) for link in re.findall(r'href="(/support/supervision/grants\?[^"]*)"', page.text)}

        def rows(**filters):
            wanted = {"since": str(MARCH.first), "until": str(MARCH.last)} | filters
            [link] = [one for one in links if dict(re.findall(r"[?&]([^=&]+)=([^&]*)", one)) == wanted]
            return client.get(link).context["listing"].count

        assert rows() == figures.total.granted
        assert rows(state="back") == figures.total.back
        assert rows(state="kept") == figures.total.kept
        for kind in ("agent", "reason", "offer"):
            for line in getattr(figures, f"{kind}s"):
                assert rows(**{kind: line.key}) == line.granted
                assert rows(**{kind: line.key}, state="back") == line.back
        for line in figures.weeks:
            assert rows(week=line.key) == line.granted
        for line in figures.members:
            assert rows(member=line.key, state="kept") == line.granted
        for line in figures.tickets:
            assert rows(ticket=line.key, state="kept") == line.granted
        for line in figures.templates:
            assert rows(template=line.key, above="yes") == line.granted

    @pytest.mark.parametrize(
        ("since", "until", "sentence"),
        [
            ("2026-03-02", "", "Own dates need a first and a last day."),
            ("2026-03-02", "2026-03-01", "The last day lies before the first."),
            ("2020-03-02", "2026-03-01", "At most 732 days are shown at once."),
            ("soon", "2026-03-01", "Enter a valid date."),
        ],
    )
    def test_own_dates_that_cannot_be_are_said_and_the_last_28_days_shown(self, client, since, until, sentence):
        page = client.get(reverse("support:supervision"), {"period": "own", "since": since, "until": until})
        assert page.status_code == 200
        assert sentence in page.text
        assert page.context["period"].name == "28_days"

    def test_the_list_is_filtered_by_every_field(self, client, programme, lead, template):
        one, two = UserFactory.create_batch(2, role="support agent", programmes=[programme])
        ann, ben = MemberFactory.create_batch(2, programme=programme)
        first = entry(one, ann, template, day=MONDAY, size=450, ticket="#A-1", approved_by=lead)
        second = entry(two, ben, template, day=MONDAY + timedelta(days=7), size=800, reason="service", is_back=True)
        url = reverse("support:ledger")
        for query, expected in [
            ({}, {first, second}),
            ({"agent": one.pk}, {first}),
            ({"member": ben.external_id}, {second}),
            ({"reason": "service"}, {second}),
            ({"ticket": " a-1"}, {first}),
            ({"state": "back"}, {second}),
            ({"state": "kept"}, {first}),
            ({"approved": "yes"}, {first}),
            ({"least": "4.50", "most": "7.99"}, {first}),
            ({"least": "4.51"}, {second}),
            ({"week": MONDAY + timedelta(days=6)}, {first}),
            ({"since": MONDAY + timedelta(days=1)}, {second}),
            ({"until": MONDAY}, {first}),
            ({"offer": template.config_offer_id, "above": "yes"}, {second}),
        ]:
            assert set(client.get(url, query).context["listing"].page.object_list) == expected, query
        foreign = template_of(ProgrammeFactory())
        entry(one, MemberFactory(programme=foreign.programme), foreign, day=MONDAY)
        assert client.get(url).context["listing"].count == 2
        problem = client.get(url, {"agent": 0, "least": "-1", "since": "soon"})
        assert problem.text.count("<p>") >= 3
        assert problem.context["listing"].count == 0

    def test_b_05_granted_sorts_by_when_it_was_granted(self, client, programme, agents, template):
        """What was filled in later has higher ids and earlier moments; exports go the same way."""
        first, last, between = (
            entry(agents[0], MemberFactory(programme=programme), template, day=MONDAY + timedelta(days=n))
            for n in (0, 4, 2)
        )
        url = reverse("support:ledger")
        for sort, expected in {"": [last, between, first], "at": [first, between, last]}.items():
            assert list(client.get(url, {"sort": sort}).context["listing"].page.object_list) == expected
        exported = b"".join(client.get(reverse("support:ledger_export", args=["csv"])).streaming_content).decode()
        places = [exported.index(row.member.external_id) for row in (last, between, first)]
        assert places == sorted(places)

    @pytest.mark.parametrize("name", ["support:supervision", "support:ledger"])
    def test_the_number_of_queries_does_not_grow(self, client, programme, agents, template, name):
        """B-05: figures in one statement, names in bulk."""

        def asked():
            with CaptureQueriesContext(
                connection,
            ) as asked:
                client.get(reverse(name), {"period": "own", "since": MARCH.first, "until": MARCH.last})
            return len(asked)

        entry(agents[0], MemberFactory(programme=programme), template, day=MONDAY, ticket="9")
        first = asked()
        for agent in agents:
            for _ in range(4):
                entry(agent, MemberFactory(programme=programme), template_of(programme), day=MONDAY, is_back=True)
                entry(agent, MemberFactory(programme=programme), template, day=MONDAY, size=900, ticket="9")
        # Names of what was not there the first time: a query more for members and for templates.
        assert asked() <= first + 2
        assert asked() <= 22

    @pytest.mark.parametrize("format", ["csv", "xlsx"])
    def test_b_05_an_export_holds_the_filtered_rows_and_no_contact_data(
        self, client, programme, lead, agents, template, format
    ):
        ann = MemberFactory(
            programme=programme, external_id="M-1", first_name="Ann", email="ann@example.com", phone="+33612345678"
        )
        entry(agents[0], ann, template, day=MONDAY, ticket="=cmd()", note="ring her: +33612345678")
        entry(agents[1], ann, template, day=MONDAY)
        answer = client.get(reverse("support:ledger_export", args=[format]), {"agent": agents[0].pk, "q": "x"})
        body = b"".join(answer.streaming_content)
        event = AuditEvent.objects.get(action="ledger.exported")
        assert (event.user, event.data["format"]) == (lead, format)
        assert event.data["filters"]["agent"] == str(agents[0].pk)
        if format == "csv":
            text = body.decode("utf-8-sig")
            assert len(text.splitlines()) == 2
            assert "M-1" in text
            assert "'=cmd()" in text
            assert not re.search("Ann|ann@|336123", text)
            assert ",5.00,EUR," in text
        else:
            assert body.startswith(b"PK")
        wrong = client.get(reverse("support:ledger_export", args=[format]), {"agent": "0"})
        assert wrong.status_code == 404

    def test_only_who_supervises_gets_in(self, client, programme):
        for role, status in [("support agent", 403), ("marketer", 403), ("administrator", 200), ("support lead", 200)]:
            client.force_login(UserFactory(role=role, programmes=[programme]))
            for name in ("support:supervision", "support:ledger"):
                assert client.get(reverse(name)).status_code == status, role


class TestMine:
    def test_b_05_an_agent_sees_her_own_grants_and_undoes_the_latest(self, client, programme, agents, template):
        ann = MemberFactory(programme=programme)
        old = granted(ann, template, agents[0], now=datetime(2026, 3, 1, 12, tzinfo=UTC))
        client.force_login(agents[0])
        new = granted(ann, template, agents[0])
        other = granted(ann, template, agents[1])
        page = client.get(reverse("support:my_grants"))
        assert [one.assignment_id for one in page.context["listing"].page.object_list] == [new.pk, old.pk]
        assert reverse("support:undo", args=[ann.pk, new.pk]) in page.text
        assert reverse("support:undo", args=[ann.pk, old.pk]) not in page.text
        assert str(other.pk) not in page.text
        client.post(reverse("support:undo", args=[ann.pk, new.pk]))
        page = client.get(reverse("support:my_grants"))
        assert "taken back" in page.text
        assert reverse("support:undo", args=[ann.pk, new.pk]) not in page.text

    def test_the_medians_know_the_programme(self, programme, mixed):
        assert set(ledger.medians(programme=programme)) == set(
            GrantLedgerEntry.objects.filter(programme=programme).values_list("template", flat=True)
        )


def test_b_05_the_figures_read_the_ledger_once(programme, mixed):
    """Whatever is asked of the period, its rows are read by one scan; the rest works on what was read."""
    values = {"programme": programme.pk, "first": MARCH.first, "last": MARCH.last}
    values |= {"members": 10, "tickets": 10, "templates": 10}
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {supervision.OVERVIEW}", values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert len(re.findall(r"(?:Seq|Index|Index Only|Bitmap Heap) Scan.* on offers_grantledgerentry", plan)) == 1, plan
