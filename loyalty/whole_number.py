"""Whole numbers that come as text: keys and counts in addresses and forms, from whoever writes them."""

# The largest that a key's column holds.
LARGEST = 2**63 - 1


def read(text: str | None, *, most: int = LARGEST) -> int | None:
    """Return the number that ASCII digits spell, up to the most that is meant; None for any other text."""
    if not text or len(text) > len(str(most)) or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= most else None
