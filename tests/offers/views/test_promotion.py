"""The chapter of personalized promotions (S2-03..09)."""

import csv
import io

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from loyalty.models import AuditEvent, Member
from offers.forms import promotion as forms
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionEvent, PromotionProductList
from offers.selectors import promotion as selectors
from offers.selectors import promotion_enrolment as enrolments
from offers.views import promotion as chapter
from tests.factories import (
    MemberFactory,
    ProductFactory,
    ProgrammeFactory,
    PromotionFactory,
    choose,
    enlist,
    product_list,
)
from tests.offers.views.marketer import sign_in, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    return ProgrammeFactory()


@pytest.fixture
def marketer(programme):
    return sign_in(programme)


@pytest.fixture
def promotion(programme):
    return PromotionFactory(programme=programme, name="Your three", backend_id="B-7", maximum_distinct_products=2)


def address(name, *keys):
    return reverse(f"offers:{name}", args=keys)


def test_s2_03_without_the_functionality_there_is_no_chapter_and_no_menu_entry(programme, promotion):
    """S2-03: 403 on each page of it, for the agent who may look at members too; with it a menu entry."""
    offered = product_list(promotion)
    pages = [
        address("promotions"), address("promotions_export"), address("promotion_new"),
        *(address(name, promotion.pk) for name in ("promotion", "promotion_edit", "promotion_members")),
        address("promotion_list_new", promotion.pk), address("promotion_list", promotion.pk, offered.pk),
    ]  # fmt: skip
    posts = [
        *(address(name, promotion.pk) for name in ("promotion_delete", "promotion_restore")),
        *(address(name, promotion.pk, offered.pk) for name in ("promotion_list_assign", "promotion_list_delete")),
    ]
    for role in ("support agent", "integration"):
        client = sign_in(programme, role)
        assert {client.get(page).status_code for page in pages} == {403}
        assert {client.post(page).status_code for page in posts} == {403}
        assert address("promotions") not in client.get("/").content.decode()
    for role in ("marketer", "administrator"):
        client = sign_in(programme, role)
        assert {client.get(page).status_code for page in pages} == {200}
        assert f'href="{address("promotions")}"' in client.get("/").content.decode()
    assert PersonalizedPromotion.objects.count() == 1


def test_s2_03_a_role_gets_the_chapter_by_the_one_permission_that_is_called_so():
    [functionality] = Permission.objects.filter(codename="personalized_promotions")
    assert functionality.name == "PersonalizedPromotions"
    roles = set(Group.objects.filter(permissions=functionality).values_list("name", flat=True))
    assert roles == {"marketer", "administrator"}


def test_s2_04_the_chapter_lists_them_with_filters_and_exports_what_is_filtered(programme, marketer, promotion):
    choose(enlist(product_list(promotion), MemberFactory(programme=programme)), "tea")
    PromotionFactory(programme=programme, name="Locked one", backend_id="C-1", lock_after_first_apply=True)
    PromotionFactory(programme=programme, name="Old one", archived_at=timezone.now())
    PromotionFactory(name="Theirs")

    def shown(query):
        listing = marketer.get(f"{address('promotions')}?{query}").context["listing"]
        return [one.name for one in listing.page.object_list]

    assert shown("") == ["Locked one", "Your three"]
    assert shown("q=three") == shown("backend_id=B-") == shown("lock=no") == shown("use=yes") == ["Your three"]
    assert shown("lock=yes") == shown("use=no") == ["Locked one"]
    assert shown("state=archived") == ["Old one"]
    assert shown("state=all&sort=-name") == ["Your three", "Old one", "Locked one"]
    page = words(marketer.get(address("promotions")))
    assert "2 rows" in page
    assert "B-7" in page
    text = b"".join(marketer.get(f"{address('promotions_export')}?use=yes").streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1:] == [["Your three", "B-7", "2", "False", "1", "1", "1"]]


def test_s2_04_an_empty_chapter_says_what_it_is_and_leads_to_the_first_step(marketer):
    page = words(marketer.get(address("promotions")))
    assert "No promotions yet" in page
    assert page.count(f'href="{address("promotion_new")}"') == 2


def test_s2_05_made_and_edited_with_the_same_fields(programme, marketer):
    names = ["name", "description", "backend_id", "maximum_distinct_products", "lock_after_first_apply"]
    form = marketer.get(address("promotion_new")).context["form"]
    assert list(form.fields) == names
    answer = marketer.post(
        address("promotion_new"),
        {"name": "Five", "description": "Choose.", "backend_id": "B-1", "maximum_distinct_products": "5"},
    )
    made = PersonalizedPromotion.objects.get()
    assert answer["Location"] == address("promotion", made.pk)
    assert (made.programme, made.maximum_distinct_products, made.lock_after_first_apply) == (programme, 5, False)
    edit = address("promotion_edit", made.pk)
    form = marketer.get(edit).context["form"]
    assert list(form.fields) == names
    assert form.initial["backend_id"] == "B-1"
    marketer.post(edit, {"name": "All", "maximum_distinct_products": "", "lock_after_first_apply": "on"})
    made.refresh_from_db()
    assert (made.name, made.backend_id, made.maximum_distinct_products, made.lock_after_first_apply) == (
        "All", None, None, True,
    )  # fmt: skip


def test_s2_05_each_problem_stands_at_its_field_and_what_was_typed_stays(marketer, promotion):
    answer = marketer.post(
        address("promotion_new"), {"name": "Kept", "backend_id": "B-7", "maximum_distinct_products": "7"}
    )
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["backend_id"]
    assert 'value="Kept"' in answer.content.decode()
    wrong = marketer.post(address("promotion_new"), {"name": "", "maximum_distinct_products": "0"})
    assert set(wrong.context["form"].errors) == {"name", "maximum_distinct_products"}
    assert PersonalizedPromotion.objects.count() == 1


def test_s2_04_deleting_states_its_consequences_and_archiving_can_be_undone(programme, marketer, promotion):
    page = words(marketer.get(address("promotion", promotion.pk)))
    assert "Nobody was ever enlisted" in page
    assert "It goes for good" in page
    offered = product_list(promotion)
    enlist(offered, MemberFactory(programme=programme), MemberFactory(programme=programme))
    page = words(marketer.get(address("promotion", promotion.pk)))
    assert "2 members keep it" in page
    answer = marketer.post(address("promotion_delete", promotion.pk), follow=True)
    page = words(answer)
    assert "Archived “Your three”: 2 members keep it." in page
    undo = address("promotion_restore", promotion.pk)
    assert f'action="{undo}"' in page
    assert marketer.get(address("promotion_edit", promotion.pk)).status_code == 302
    marketer.post(undo)
    promotion.refresh_from_db()
    assert promotion.archived_at is None
    other = PromotionFactory(programme=programme)
    marketer.post(address("promotion_delete", other.pk))
    assert not PersonalizedPromotion.objects.filter(pk=other.pk).exists()


def test_s2_09_lists_are_made_of_pasted_products_and_assigned_to_pasted_members(programme, marketer, promotion):
    for one in ("tea", "coffee"):
        ProductFactory(programme=programme, external_id=one, name=one.capitalize())
    new = address("promotion_list_new", promotion.pk)
    wrong = marketer.post(new, {"name": "", "products": "tea, milk\ntea"})
    assert wrong.status_code == 422
    assert set(wrong.context["form"].errors) == {"name"}
    wrong = marketer.post(new, {"name": "Short", "products": "tea, milk\ntea"})
    assert "There is no product “milk”." in words(wrong)
    assert "“tea” stands there twice." in words(wrong)
    marketer.post(new, {"name": "Short", "products": "coffee; tea", "external_id": "L-1"})
    offered = PromotionProductList.objects.get(external_id="L-1")
    page = words(marketer.get(address("promotion_list", promotion.pk, offered.pk)))
    assert page.index("Coffee") < page.index("Tea")

    ann, zoe = (MemberFactory(programme=programme, external_id=one) for one in ("ann", "zoe"))
    assign = address("promotion_list_assign", promotion.pk, offered.pk)
    wrong = marketer.post(assign, {"members": "ann\nnobody, zoe"})
    assert wrong.status_code == 422
    assert "Nobody has the id “nobody”." in words(wrong)
    assert "ann\nnobody, zoe" in wrong.content.decode()
    assert not PromotionEnrolment.objects.exists()
    done = marketer.post(assign, {"members": "ann\nnobody, zoe", "leaves_out_unknown": "on"}, follow=True)
    assert "2 members enlisted. 1 id was left out." in words(done)
    assert "2 had it already." in words(marketer.post(assign, {"members": "ann zoe".replace(" ", ",")}, follow=True))
    assert {one.actor for one in PromotionEvent.objects.all()} != {None}, "who assigned is kept"
    page = words(marketer.get(address("promotion", promotion.pk)))
    assert "2 members, 0 chosen" in page
    assert ann.external_id in page
    assert zoe.external_id in page


def test_s2_09_who_keeps_another_list_is_named(programme, marketer, promotion):
    PersonalizedPromotion.objects.filter(pk=promotion.pk).update(lock_after_first_apply=True)
    first, second = product_list(promotion), product_list(promotion, ["milk"])
    choose(enlist(first, MemberFactory(programme=programme, external_id="ann")), "tea")
    assign = address("promotion_list_assign", promotion.pk, second.pk)
    assert "1 keeps another list, because the choice is locked: ann." in words(
        marketer.post(assign, {"members": "ann"}, follow=True)
    )


def test_s2_09_a_chosen_product_leaves_the_list_only_when_that_is_ticked(programme, marketer, promotion):
    offered = product_list(promotion)
    choose(enlist(offered, MemberFactory(programme=programme)), "tea")
    edit = address("promotion_list", promotion.pk, offered.pk)
    wrong = marketer.post(edit, {"name": "Favourites", "products": "coffee"})
    assert wrong.status_code == 422
    assert "“Tea” (tea) is chosen by 1 member." in words(wrong)
    marketer.post(edit, {"name": "Other", "products": "coffee", "drop_choices": "on"})
    offered.refresh_from_db()
    assert (offered.name, offered.items.get().product.external_id) == ("Other", "coffee")
    answer = marketer.post(address("promotion_list_delete", promotion.pk, offered.pk), follow=True)
    assert "1 member was given “Other”" in words(answer)
    unused = product_list(promotion)
    marketer.post(address("promotion_list_delete", promotion.pk, unused.pk))
    assert list(promotion.lists.all()) == [offered]


def test_s2_04_a_promotions_members_are_filtered_and_exported_without_contact_data(programme, marketer, promotion):
    offered = product_list(promotion, external_id="L-1")
    ann = MemberFactory(programme=programme, external_id="ann", kind="employee")
    choose(enlist(offered, ann), "tea", "cake")
    enlist(offered, MemberFactory(programme=programme, external_id="=zoe"))
    page = address("promotion", promotion.pk)
    assert "Tea, Cake" in words(marketer.get(f"{page}?state=chosen"))
    assert [one.member.external_id for one in marketer.get(f"{page}?q=an").context["listing"].page] == ["ann"]
    one_list = marketer.get(f"{page}?list={offered.pk}&state=not_chosen").context["listing"].page
    assert [one.member.external_id for one in one_list] == ["=zoe"]
    answer = marketer.get(address("promotion_members", promotion.pk))
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows[0][:4] == ["member", "kind", "list", "products"]
    assert rows[1][:4] == ["ann", "employee", "L-1", "tea|cake"]
    assert rows[2][0] == "'=zoe", "no cell runs as a formula"
    assert ann.email not in str(rows)
    assert AuditEvent.objects.get(action="promotion.exported").object_id == str(promotion.pk)


def test_d_21_another_programmes_promotion_is_not_there(marketer):
    theirs = PromotionFactory()
    for name in ("promotion", "promotion_edit", "promotion_members", "promotion_list_new"):
        assert marketer.get(address(name, theirs.pk)).status_code == 404
    offered = product_list(theirs)
    assert marketer.get(address("promotion_list", theirs.pk, offered.pk)).status_code == 404


def test_the_chapter_and_a_promotion_cost_the_same_however_many(
    programme, marketer, promotion, django_assert_max_num_queries
):
    offered = product_list(promotion)
    for _ in range(12):
        PromotionFactory(programme=programme)
        choose(enlist(offered, MemberFactory(programme=programme)), "tea")
    with django_assert_max_num_queries(14):
        marketer.get(address("promotions"))
    with django_assert_max_num_queries(18):
        marketer.get(address("promotion", promotion.pk))


def test_s2_04_a_promotions_members_are_found_by_the_beginning_of_an_id_or_of_a_word_of_a_name(
    programme, marketer, promotion, monkeypatch
):
    """S2-04: without case and accents; the same members where a text begins so many that they are met in passing."""
    offered = product_list(promotion)
    people = {"M-1": ("José", "García Muñoz"), "M-2": ("Maria", "Gomez"), "M-3": ("Ann", "Lee"), "X-1": ("Gary", "M-1")}
    members = [
        MemberFactory(programme=programme, external_id=key, first_name=first, last_name=last)
        for key, (first, last) in people.items()
    ]
    enlist(offered, *members[:3], members[3])
    MemberFactory(programme=programme, external_id="M-4", first_name="José", last_name="García")
    MemberFactory(external_id="M-1")

    def shown(text):
        listing = marketer.get(address("promotion", promotion.pk), {"q": text, "sort": "member"}).context["listing"]
        return [one.member.external_id for one in listing.page.object_list]

    assert shown("M-") == ["M-1", "M-2", "M-3", "X-1"]
    assert shown("jose munoz") == shown("Muño") == ["M-1"]
    assert shown("ga") == ["M-1", "X-1"]
    assert shown("gomez maria") == ["M-2"]
    assert shown("nobody") == shown("%") == shown("(") == []
    # Each text begins more than none.
    monkeypatch.setattr(enrolments, "MOST_FOUND", 0)
    assert shown("M-") == ["M-1", "M-2", "M-3", "X-1"]
    assert shown("jose munoz") == shown("Muño") == ["M-1"]
    assert shown("ga") == ["M-1", "X-1"]
    assert shown("gomez maria") == shown("maria g") == shown("Márí") == ["M-2"]
    assert shown("nobody") == shown("%") == shown("(") == []
    # Who was erased has no name to be found by.
    members[1].status = Member.Status.ERASED
    members[1].save()
    assert shown("maria g") == []


def test_s2_04_a_promotion_with_a_list_for_each_member_shows_some_and_leads_to_all(
    programme, marketer, promotion, monkeypatch
):
    for n in range(5):
        enlist(product_list(promotion, name=f"List {n}"), MemberFactory(programme=programme, external_id=f"M{n}"))
    monkeypatch.setattr(chapter, "LISTS", 2)
    monkeypatch.setattr(forms, "MOST_LISTS", 2)
    page = address("promotion", promotion.pk)
    names = [[one.name for one in marketer.get(f"{page}?lists={n}").context["lists"]] for n in (1, 2, 3)]
    assert names == [["List 0", "List 1"], ["List 2", "List 3"], ["List 4"]]
    assert "1 to 2 of 5" in words(marketer.get(page))
    # The filter's choices are bounded too, and a list that is asked for by its link is one of them.
    last = promotion.lists.get(name="List 4")
    shown = marketer.get(f"{page}?list={last.pk}").context["listing"]
    assert [one.member.external_id for one in shown.page.object_list] == ["M4"]
    assert [name for _key, name in shown.filters.fields["list"].choices][1:] == ["List 0", "List 1", "List 4"]
    theirs = product_list(PromotionFactory())
    assert len(marketer.get(f"{page}?list={theirs.pk}").context["listing"].filters.fields["list"].choices) == 3


def test_s2_04_pages_of_lists_and_the_list_of_members_keep_each_others_place(
    programme, marketer, promotion, monkeypatch
):
    """S2-04: turning the lists' page filters no members, and neither one's link loses what the other shows."""
    for n in range(5):
        product_list(promotion, name=f"List {n}")
    monkeypatch.setattr(chapter, "LISTS", 2)
    page = address("promotion", promotion.pk)
    empty = marketer.get(f"{page}?lists=2")
    assert not empty.context["listing"].is_filtered
    assert "Nobody holds it" in words(empty)
    assert f'href="{page}"' not in empty.text, "nothing to clear"
    last = promotion.lists.get(name="List 2")
    assert f'href="?list={last.pk}&amp;lists=2#list"' in empty.text
    assert f'href="{address("promotion_members", promotion.pk)}?"' in empty.text, "a file has no pages of lists"

    shown = marketer.get(f"{page}?lists=2&q=m&state=chosen&sort=member&page=2&after=7")
    for number in (1, 3):
        assert f'href="?lists={number}&amp;q=m&amp;state=chosen&amp;sort=member&amp;page=2&amp;after=7"' in shown.text
    assert '<input type="hidden" name="lists" value="2">' in shown.text
    assert shown.text.count(f'href="{page}?lists=2"') == 2, "both ways to clear the filters stay on the lists' page"
    assert shown.context["listing"].headings[0].url == "?lists=2&q=m&state=chosen&sort=-member"


def test_s2_04_the_history_is_the_newest_of_all_members_of_the_promotion(programme, marketer, promotion, monkeypatch):
    monkeypatch.setattr(selectors, "HISTORY", 4)
    offered = product_list(promotion)
    members = [MemberFactory(programme=programme) for _ in range(6)]
    enlist(offered, *members)
    first = enlist(offered, members[0])
    choose(first, "tea")
    choose(first, "coffee")
    choose(enlist(product_list(PromotionFactory(programme=programme)), members[1]), "tea")
    newest = PromotionEvent.objects.filter(enrolment__promotion=promotion).order_by("-id")[:4]
    assert selectors.history(promotion=promotion) == list(newest)
    assert [one.verb for one in newest] == ["changed", "chosen", "assigned", "assigned"]
