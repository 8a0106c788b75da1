"""Finding a member from the header (issue 2; SCREENS: one search box; D-21)."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import AuditEvent, Member
from support.selectors import member as selectors
from tests.factories import (
    ConfigOfferFactory,
    MemberFactory,
    ProgrammeFactory,
    PurchaseFactory,
    UserFactory,
    give,
    import_codes,
)

# Hexadecimal digits as letters that no searched name has.
LETTERS = str.maketrans("0123456789abcdef", "bcdfhjklmnpqtvwx")

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory(timezone="Europe/Paris")


@pytest.fixture
def ann(programme):
    return MemberFactory(
        programme=programme,
        external_id="M-001029",
        first_name="Ann",
        last_name="Szczepańska",
        email="Ann@Example.com",
        email_key="ann@example.com",
        phone="+33612345678",
        phone_key="+33612345678",
    )


def found(programme, text):
    return [(hit.member.external_id, hit.why) for hit in selectors.search(programme=programme, text=text)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("M-001029", "external_id"),
        (" m-001029 ", "external_id"),
        ("ANN@example.com", "email"),
        ("+33 6 12 34 56 78", "phone"),
        ("0033612345678", "phone"),
        ("06 12 34 56 78", "phone"),
        ("ann szcz", "name"),
        ("szczepańska ANN", "name"),
        ("Szczpańska", "similar_name"),
    ],
)
def test_a_member_is_found_by_each_of_her_keys_and_the_hit_says_why(programme, ann, text, why):
    MemberFactory.create_batch(3, programme=programme)
    assert found(programme, text) == [("M-001029", why)]


def test_a_member_is_found_by_the_id_code_and_receipt_of_what_she_has(programme, ann):
    """S0-03: the record is found by its Personalized Offer ID; a code and a receipt lead to their member too."""
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    assignment = give(ann, offer)
    PurchaseFactory(member=ann, external_id="R-77")
    assert found(programme, str(assignment.pk)) == [("M-001029", "assignment")]
    assert found(programme, "abcd-1234") == [("M-001029", "voucher_code")]
    assert found(programme, "R-77") == [("M-001029", "receipt")]
    assert selectors.search(programme=programme, text="ABCD-1234")[0].assignment_id == assignment.pk


def test_a_programme_never_finds_anothers_member(programme, ann):
    """D-21: planted in two programmes, searched in each by every key."""
    other = ProgrammeFactory(timezone="Europe/Paris")
    offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
    import_codes(offer, ["ABCD-1234"])
    assignment = give(ann, offer)
    PurchaseFactory(member=ann, external_id="R-77")
    for text in (
        "M-001029",
        "ann@example.com",
        "+33612345678",
        "Ann Szczepańska",
        "Szczpańska",
        str(assignment.pk),
        "ABCD-1234",
        "R-77",
    ):
        assert found(programme, text), text
        assert found(other, text) == [], text


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Jose Munoz", ("José", "Muñoz")),
        ("José Muñoz", ("Jose", "Munoz")),
        ("munoz jose", ("José", "Muñoz")),
        ("Lodz", ("Łódź", "")),
        ("strasse", ("Anna", "Straße")),
        ("oersted", ("Hans", "Ørsted")),
        ("obrien", ("Pat", "O'Brien")),
        ("o’brien", ("Pat", "O'Brien")),
        ("luc", ("Jean-Luc", "Petit")),
        ("Jean Luc", ("Jean-Luc", "Petit")),
        ("Jose\u0301 Mun\u0303oz", ("José", "Muñoz")),
        ("Mueller", ("Eva", "Müller")),
        ("Munoz Joes", ("José", "Muñoz")),
        ("İpek", ("Ipek", "Yilmaz")),
        ("Jhon Smith", ("John", "Smith")),
        ("Smith Jhon", ("John", "Smith")),
        ("Marysol", ("Marisol", "Young")),
    ],
)
def test_a_name_is_found_whatever_its_accents_order_and_slips(programme, typed, name):
    """Issue 5: "Jose Munoz" finds "José Muñoz", and the other way round."""
    MemberFactory.create_batch(5, programme=programme, first_name="Walter", last_name="Kwik")
    MemberFactory(programme=programme, external_id="X", first_name=name[0], last_name=name[1])
    assert [key for key, _why in found(programme, typed)] == ["X"]


def test_the_letters_as_typed_stand_before_those_with_other_accents(programme):
    MemberFactory(programme=programme, external_id="other", first_name="Jose", last_name="Aaron")
    MemberFactory(programme=programme, external_id="as typed", first_name="José", last_name="Zapata")
    assert [key for key, _why in found(programme, "José")] == ["as typed", "other"]
    assert [key for key, _why in found(programme, "Jose")] == ["other", "as typed"]


def test_keys_that_are_only_begun_are_found_and_an_address_only_by_who_may_know_it(programme, ann):
    """A beginning, typed letter by letter, would tell a masked address."""
    assert found(programme, "M-00") == [("M-001029", "external_id_begins")]
    assert found(programme, "m-0010") == [("M-001029", "external_id_begins")]
    assert found(programme, "M-") == []
    assert found(programme, "ann@exam") == []
    hits = selectors.search(programme=programme, text="ann@exam", is_by_address=True)
    assert [(hit.member.external_id, hit.why) for hit in hits] == [("M-001029", "email_begins")]
    assert not selectors.search(programme=ProgrammeFactory(), text="ann@exam", is_by_address=True)


@pytest.mark.parametrize("typed", ["+33 (0)6 12 34 56 78", "06.12.34.56.78", "tel:+33612345678", "0033-6-12345678"])
def test_a_phone_number_is_found_in_any_spelling(programme, ann, typed):
    assert found(programme, typed) == [("M-001029", "phone")]


def test_an_exact_key_stands_first_then_beginnings_then_likeness(programme):
    """Issue 5: ranked; what is exact leaves out what is only like it."""
    MemberFactory(programme=programme, external_id="ROSA", first_name="Zoe", last_name="Adams")
    MemberFactory(programme=programme, external_id="ROSA-2", first_name="Zoe", last_name="Baker")
    MemberFactory(programme=programme, external_id="N", first_name="Rosalie", last_name="Clark")
    assert found(programme, "rosa") == [("ROSA", "external_id")]
    Member.objects.filter(external_id="ROSA").update(external_id="R")
    assert found(programme, "rosa") == [("ROSA-2", "external_id_begins"), ("N", "name")]


def test_active_members_stand_before_others_and_erased_ones_are_not_found(programme):
    """Issue 5: by name, by likeness and by every key."""
    for status, last in (("inactive", "Abel"), ("active", "Young"), ("erased", "Baxter")):
        MemberFactory(
            programme=programme, external_id=f"E-{status}", first_name="Marisol", last_name=last, status=status
        )
    for text in ("marisol", "marysol", "marsiol"):
        assert [key for key, _why in found(programme, text)] == ["E-active", "E-inactive"], text
    assert [key for key, _why in found(programme, "E-a")] == ["E-active"]
    assert found(programme, "E-erased") == []
    for number, status in enumerate(("inactive", "erased", "active")):
        MemberFactory(programme=programme, external_id=f"P{number}", status=status, phone_key="+33700000001")
    assert [key for key, _why in found(programme, "+33 7 00 00 00 01")] == ["P2", "P0"]


def test_an_exact_key_stands_before_names_and_hits_are_bounded(programme):
    for number in range(30):
        MemberFactory(programme=programme, external_id=f"X{number}", first_name="Ann", last_name="Smith")
    assert len(found(programme, "ann smith")) == selectors.LIMIT
    MemberFactory(programme=programme, external_id="smith", first_name="Zoe", last_name="Adams")
    assert found(programme, "smith")[0] == ("smith", "external_id")


def test_letters_of_a_very_long_word_are_not_exchanged():
    """Two hundred of them would make a pattern that keeps the database busy for seconds; no name is so long."""
    assert selectors._swapped("GRACIA").count("|") == 5
    assert "|" not in selectors._swapped("GRACIA" * 6)


def test_texts_that_are_nothing_find_nothing_and_break_nothing(programme, ann):
    for text in (
        "",
        "   ",
        "%",
        "_",
        "\x00",
        "'; DROP TABLE",
        "(((",
        "[a",
        "\\",
        str(uuid.uuid4()),
        "x" * 5000,
        "@",
        "é",
    ):
        assert found(programme, text) == []


def test_a_name_search_reads_the_trigram_index(programme):
    """Beginning and likeness both, so that a million members stay quick (issue 2)."""
    Member.objects.bulk_create(
        Member(programme=programme, external_id=f"N{n}", first_name="Maria", last_name=f"{n:x}".translate(LETTERS))
        for n in range(20_000)
    )
    MemberFactory(programme=programme, first_name="Maria", last_name="Garcia")
    with connection.cursor() as cursor:
        # The index keeps a list of what is newly in it, which a scan has to read as a whole.
        cursor.execute("SELECT gin_clean_pending_list('member_by_plain_name')")
        cursor.execute("ANALYZE loyalty_member")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    for queryset in (
        selectors.matching(programme=programme, patterns=["GARCIA"]),
        selectors.matching(programme=programme, patterns=[selectors._swapped("GRACIA")]),
        selectors.similar_to(programme=programme, text="GARSIA"),
    ):
        assert "member_by_plain_name" in queryset.explain()
    members = Member.objects.filter(programme=programme)
    for queryset, index, column in (
        (
            selectors.beginning_with_id(programme=programme, text="N1234"),
            "a_member_external_id_is_used_once_per_programme",
            "external_id",
        ),
        (
            selectors.beginning_with_address(programme=programme, text="member-1"),
            "member_by_email_beginning",
            "email_key",
        ),
        (members.filter(email_key="m@example.com").exclude(email_key=""), "member_by_email_beginning", "email_key"),
        (members.filter(phone_key="+15550000001").exclude(phone_key=""), "member_by_phone", "phone_key"),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = on")
        plan = queryset.explain()
        assert index in plan, plan
        # In the index, and not beside it.
        assert column in plan.split("Index Cond")[1].splitlines()[0], plan


def test_a_search_asks_no_more_often_for_twenty_hits_than_for_one(programme):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            selectors.search(programme=programme, text="ann smith")
        return len(captured)

    MemberFactory(programme=programme, first_name="Ann", last_name="Smith")
    one = queries()
    MemberFactory.create_batch(25, programme=programme, first_name="Ann", last_name="Smith")
    assert queries() <= one


class TestPage:
    @pytest.fixture
    def agent(self, client, programme):
        client.force_login(UserFactory(role="support agent", programmes=[programme]))
        return client

    def test_enter_on_a_single_hit_opens_it(self, agent, ann):
        answer = agent.get(reverse("support:search"), {"q": "M-001029"})
        assert answer.status_code == 302
        assert answer["Location"] == reverse("support:member", args=[ann.pk])

    def test_a_code_leads_to_the_offer_on_the_members_page(self, agent, programme, ann):
        offer = ConfigOfferFactory(programme=programme, require_vouchers=True)
        import_codes(offer, ["ABCD-1234"])
        assignment = give(ann, offer)
        answer = agent.get(reverse("support:search"), {"q": "ABCD-1234"})
        assert answer["Location"].endswith(f"#offer-{assignment.pk}")

    def test_several_hits_are_a_page_and_a_dropdown(self, agent, programme):
        MemberFactory.create_batch(2, programme=programme, first_name="Ann", last_name="Smith")
        assert "2 hits" in agent.get(reverse("support:search"), {"q": "ann smith"}).text
        part = agent.get(reverse("support:search"), {"q": "ann smith"}, headers={"HX-Request": "true"}).text
        assert part.count('search-hit"') == 2
        assert "<html" not in part

    def test_contact_data_is_masked_in_hits(self, agent, ann):
        part = agent.get(reverse("support:search"), {"q": "szczepańska"}, headers={"HX-Request": "true"}).text
        assert "a••••@example.com".casefold() in part.casefold()
        assert "ann@example.com" not in part.casefold()

    def test_offers_are_found_by_prefix_and_only_by_roles_that_see_them(self, agent, client, programme):
        ConfigOfferFactory(programme=programme, name="Coffee 20 % off")
        ConfigOfferFactory(name="Coffee elsewhere")
        assert (
            "Coffee 20 % off"
            in agent.get(reverse("support:search"), {"q": "coff"}, headers={"HX-Request": "true"}).text
        )
        assert (
            "elsewhere" not in agent.get(reverse("support:search"), {"q": "coff"}, headers={"HX-Request": "true"}).text
        )
        plain = UserFactory(programmes=[programme])
        client.force_login(plain)
        assert (
            "Coffee 20 % off"
            not in client.get(reverse("support:search"), {"q": "coff"}, headers={"HX-Request": "true"}).text
        )

    def test_an_empty_box_offers_the_members_looked_at_last(self, agent, programme, ann):
        """Issue 5: recent members in the empty dropdown; of this programme, and none that is erased."""
        zoe = MemberFactory(programme=programme, first_name="Zoe", last_name="Adams")
        for member in (ann, zoe):
            agent.get(reverse("support:member", args=[member.pk]))
        part = agent.get(reverse("support:search"), {"q": ""}, headers={"HX-Request": "true"}).text
        assert part.index("Zoe Adams") < part.index("Szczepańska")
        Member.objects.filter(pk=zoe.pk).update(status="erased")
        assert "Zoe" not in agent.get(reverse("support:search"), headers={"HX-Request": "true"}).text

    def test_the_beginning_of_an_address_finds_for_agents_and_not_for_auditors(self, agent, client, programme, ann):
        assert agent.get(reverse("support:search"), {"q": "ann@ex"}).status_code == 302
        client.force_login(UserFactory(role="auditor", programmes=[programme]))
        assert "Szczepańska" not in client.get(reverse("support:search"), {"q": "ann@ex"}).text
        assert client.get(reverse("support:search"), {"q": "ann@example.com"}).status_code == 302

    def test_an_address_for_other_systems_leads_to_the_member_and_says_who_is_not_there(self, agent, ann):
        """Issue 5: deep links; D-21 for another programme's."""
        go = reverse("support:go")
        assert agent.get(go, {"member": "M-001029"})["Location"] == reverse("support:member", args=[ann.pk])
        MemberFactory(external_id="elsewhere")
        for query, said in (({"member": "elsewhere"}, "elsewhere"), ({"member": "M-9<b>"}, "M-9&lt;b&gt;"), ({}, "")):
            answer = agent.get(go, query)
            assert answer.status_code == 404
            assert said in answer.text

    def test_an_offers_id_and_a_receipt_are_addresses_too(self, agent, programme, ann):
        held = give(ann, ConfigOfferFactory(programme=programme))
        PurchaseFactory(member=ann, external_id="R-77")
        go = reverse("support:go")
        assert agent.get(go, {"assignment": str(held.pk)})["Location"] == reverse("support:assignment", args=[held.pk])
        assert agent.get(go, {"receipt": "R-77"})["Location"] == reverse("support:member", args=[ann.pk])
        assert agent.get(go, {"assignment": "no uuid"}).status_code == 404
        assert agent.get(go, {"assignment": str(uuid.uuid4())}).status_code == 404

    def test_the_list_of_members_is_filtered_by_external_id(self, agent, programme, ann):
        MemberFactory(programme=programme, external_id="M-2", first_name="Zoe", last_name="Adams")
        text = agent.get(reverse("support:members"), {"external_id": "M-001029"}).text
        assert "Szczepańska" in text
        assert "Zoe" not in text

    def test_a_search_that_shows_members_is_noted_without_what_was_typed(self, agent, ann, programme):
        """Issue 5: each look at members; the dropdown notes a contact key that was hit, and no keystroke else."""
        MemberFactory(programme=programme, first_name="Ann", last_name="Smith")
        agent.get(reverse("support:search"), {"q": "ann s"})
        noted = AuditEvent.objects.get(action="member.searched")
        assert noted.data == {"hits": 2, "by": ["name"]}
        agent.get(reverse("support:search"), {"q": "ann s"}, headers={"HX-Request": "true"})
        agent.get(reverse("support:search"), {"q": "nobody at all"})
        assert AuditEvent.objects.filter(action="member.searched").count() == 1
        agent.get(reverse("support:search"), {"q": "ann@example.com"}, headers={"HX-Request": "true"})
        noted = AuditEvent.objects.filter(action="member.searched").latest("id")
        assert noted.data == {"hits": 1, "by": ["email"]}
        agent.get(reverse("support:members"), {"q": "ann s", "tier": "gold"})
        assert AuditEvent.objects.get(action="member.listed").data == {"filters": {"tier": "gold"}, "by_text": True}

    def test_a_marketer_without_members_finds_none(self, client, programme, ann):
        client.force_login(UserFactory(role="marketer", programmes=[programme]))
        assert "Szczepańska" not in client.get(reverse("support:search"), {"q": "M-001029"}).text
