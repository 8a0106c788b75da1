"""The catalogue is the only place where names come from."""

import pytest

from offers.targeting import Column


@pytest.mark.parametrize("name", ["", "City", "city; DROP TABLE loyalty_member", "city OR 1=1", "member.city"])
def test_only_a_plain_name_is_a_column(name: str) -> None:
    with pytest.raises(ValueError, match="is not a column"):
        Column(name)
