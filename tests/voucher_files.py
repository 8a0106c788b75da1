"""A file of codes with every fault in it, for the import doctor (B-17)."""

# What the file's codes are looked at against: this offer's bank, and another offer's.
HELD = ["HELD-12", "BANK-0"]
HELD_BY_TEA = ["TEA-13"]

_LINES = [
    b'"Code","Expires_At"',
    b"GOOD-2,2199-12-31",
    b"",
    b"X" * 101 + b",",
    b"caf\xe9,",  # 5: Latin-1
    b"NUL\0,",
    b"TAB\tBED,",
    b"RETURN\rED,",
    b" SPACE,",
    "IN\u200bVISIBLE,".encode(),  # 10: a space of no width
    b"GOOD-2,2199-12-31",
    b"HELD-12,",
    b"TEA-13,",
    "\u0410BC,".encode(),  # a Cyrillic A before a Latin BC
    b"TWIN-0,",  # 15
    b"TWIN-O,",
    b"BANK-O,",
    b"GOOD-2,2199-06-30",
    b"BELL\x07,",
    b"NODATE-20,31.12.2199",
    b"NOSUCHDAY-21,2199-02-30",
    b"OVER-22,2020-01-01",
    b"COLUMNS-23,2199-12-31,2",
    b'"QUOTES-24,2199-12-31',
    b"ENDLESS-25",
]
EVERY_FAULT = b"\xef\xbb\xbf" + b"\r\n".join(_LINES) + b"\r\n"

# By kind: how heavy it is, how many there are, and in which lines.
EVERY_FINDING = {
    "blank": ("error", 1, [3]),
    "too_long": ("error", 1, [4]),
    "not_utf_8": ("error", 1, [5]),
    "nul": ("error", 1, [6]),
    "tab": ("error", 1, [7]),
    "carriage_return": ("error", 1, [8]),
    "space_around": ("error", 1, [9]),
    "invisible": ("error", 2, [10, 19]),
    "not_a_moment": ("error", 2, [20, 21]),
    "expiry_over": ("error", 1, [22]),
    "columns": ("error", 2, [23, 24]),
    "duplicate_in_file": ("ignored", 2, [11, 18]),
    "duplicate_in_bank": ("ignored", 1, [12]),
    "in_another_bank": ("warning", 1, [13]),
    "mixed_letters": ("warning", 1, [14]),
    "look_alike_in_file": ("warning", 1, [16]),
    "look_alike_in_bank": ("warning", 1, [17]),
    "expiry_differs": ("warning", 1, [18]),
    "byte_order_mark": ("warning", 1, [1]),
}
