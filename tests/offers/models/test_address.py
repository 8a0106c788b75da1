import pytest
from django.core.exceptions import ValidationError

from offers.models.address import web_address


@pytest.mark.parametrize(
    "address", ["https://example.com/a.png", "http://example.com/", "/static/offers/demo/dairy.svg"]
)
def test_an_image_may_lie_on_the_web_or_on_this_site(address):
    web_address(address)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "//elsewhere.example/a.png", "/\\elsewhere.example", "ftp://example.com/a", "a.png"],
)
def test_any_other_address_is_refused(address):
    with pytest.raises(ValidationError):
        web_address(address)
