"""The pages of uploaded lists of members (issue 4)."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.html import strip_tags

from offers.models import MemberList
from tests.factories import MemberFactory, ProgrammeFactory, TargetingFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def programme():
    programme = ProgrammeFactory()
    MemberFactory(programme=programme, external_id="M-1")
    MemberFactory(programme=programme, external_id="M-2")
    return programme


@pytest.fixture
def marketer(client, programme):
    client.force_login(UserFactory(role="marketer", programmes=[programme]))
    return client


def send(client, what, content, name="spring.csv", **given):
    file = SimpleUploadedFile(name, content)
    return client.post(reverse(f"offers:member_list_{what}"), {"file": file, **given}, headers={"HX-Request": "true"})


def test_issue_4_a_list_has_the_same_numbers_in_the_same_words_from_the_check_to_its_page(marketer, programme):
    """Issue 4: what is left out when it is looked at, once it is kept, on the list's page and among the lists."""
    content = b"member,points\nM-1,5\nno-1,1\nno-2,1\nno-3,1\n,1\nM-1,7\n"
    said = "4 unknown or empty, 1 repeated"
    assert f"Left out would be: {said}." in send(marketer, "check", content).content.decode()
    assert f"Left out: {said}." in send(marketer, "upload", content).content.decode()
    made = MemberList.objects.get()
    assert said in " ".join(marketer.get(reverse("offers:member_lists")).content.decode().split())
    page = marketer.get(reverse("offers:member_list", args=[made.pk])).content.decode()
    assert "Unknown or empty4" in strip_tags(page)
    assert "Repeated1" in strip_tags(page)


def test_issue_4_a_file_is_looked_at_kept_and_its_left_out_lines_are_shown(marketer, programme):
    content = b"member,points\nM-1,5\nnobody,1\nM-1,7\n=cmd(),1\n"
    checked = send(marketer, "check", content).content.decode()
    assert "1 member is found in 4 lines." in checked
    assert "Line 3: nobody has the id nobody." in checked
    assert "Line 4: M-1 stands in line 2 already." in checked
    assert not MemberList.objects.exists()
    kept = send(marketer, "upload", content).content.decode()
    made = MemberList.objects.get()
    assert made.name == "spring.csv"
    assert f"{reverse('offers:targeting-create')}?list={made.pk}" in kept
    page = marketer.get(reverse("offers:member_list", args=[made.pk])).content.decode()
    assert "the id is there before" in page
    assert "Kept of each member: points." in page
    assert "spring.csv" in marketer.get(reverse("offers:member_lists")).content.decode()
    file = b"".join(marketer.get(reverse("offers:member_list_left_out", args=[made.pk])).streaming_content).decode()
    assert "3,nobody,nobody has this id," in file
    # What would run as a formula in a spreadsheet is text.
    assert "5,'=cmd()" in file
    builder = marketer.get(reverse("offers:targeting-create"), {"list": made.pk}).content.decode()
    assert f"&quot;list&quot;: {made.pk}" in builder


def test_a_faulty_file_is_refused_with_every_line(marketer, programme):
    answer = send(marketer, "upload", b"member,points\nM-1\nM-2,5\nM-3,\xff\n")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Line 2: The line has 1 cells; the header has 2." in page
    assert "Line 4: The line is not UTF-8." in page
    assert send(marketer, "upload", b"").status_code == 422
    assert send(marketer, "check", b"a,b\n1,2\n").content.decode().count("Which column holds") == 1
    assert "Choose a file." in marketer.post(reverse("offers:member_list_upload"), {}).content.decode()
    assert not MemberList.objects.exists()


def test_ids_are_pasted_and_what_is_wrong_is_said_at_its_field(marketer, programme):
    address = reverse("offers:member_list_paste")
    kept = marketer.post(address, {"ids": "M-1, M-2\nx", "name": "By hand"})
    made = MemberList.objects.get()
    assert kept.url == reverse("offers:member_list", args=[made.pk])
    assert (made.size, made.unknown) == (2, 1)
    again = marketer.post(address, {"ids": "M-1", "name": "By hand"})
    assert again.status_code == 422
    assert "There is a list called “By hand” already" in again.content.decode()
    assert "Paste at least one id." in marketer.post(address, {"ids": "", "name": "x"}).content.decode()
    assert "None of the 1 ids" in marketer.post(address, {"ids": "x", "name": "x"}).content.decode()


def test_a_list_that_an_audience_names_stays(marketer, programme):
    send(marketer, "upload", b"member\nM-1\nM-2\n", name="two.csv")
    made = MemberList.objects.get()
    targeting = TargetingFactory(programme=programme, name="Two of them", criteria={"list": made.pk})
    address = reverse("offers:member_list_archive", args=[made.pk])
    assert "is named by the audiences" in marketer.post(address, follow=True).content.decode()
    shown = marketer.get(reverse("offers:targeting", args=[targeting.pk])).content.decode()
    assert "two.csv" in shown
    targeting.archived_at = targeting.updated_at
    targeting.save()
    marketer.post(address)
    made.refresh_from_db()
    assert made.archived_at is not None
    assert "No lists yet" in marketer.get(reverse("offers:member_lists")).content.decode()
