"""Finding a member from the header (issue 2; SCREENS: one search box; D-21)."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.models import Member
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


def test_an_exact_key_stands_before_names_and_hits_are_bounded(programme):
    for number in range(30):
        MemberFactory(programme=programme, external_id=f"X{number}", first_name="Ann", last_name="Smith")
    assert len(found(programme, "ann smith")) == selectors.LIMIT
    MemberFactory(programme=programme, external_id="smith", first_name="Zoe", last_name="Adams")
    assert found(programme, "smith")[0] == ("smith", "external_id")


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
        cursor.execute("SELECT gin_clean_pending_list('member_by_name_trigrams')")
        cursor.execute("ANALYZE loyalty_member")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    for queryset in (
        selectors.starting_with(programme=programme, text="GARCIA"),
        selectors.similar_to(programme=programme, text="GARSIA"),
    ):
        assert "member_by_name_trigrams" in queryset.explain()


def test_a_search_asks_as_often_for_one_hit_as_for_twenty(programme):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            selectors.search(programme=programme, text="ann smith")
        return len(captured)

    MemberFactory(programme=programme, first_name="Ann", last_name="Smith")
    one = queries()
    MemberFactory.create_batch(25, programme=programme, first_name="Ann", last_name="Smith")
    assert queries() == one


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

    def test_a_marketer_without_members_finds_none(self, client, programme, ann):
        client.force_login(UserFactory(role="marketer", programmes=[programme]))
        assert "Szczepańska" not in client.get(reverse("support:search"), {"q": "M-001029"}).text
