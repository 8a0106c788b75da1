"""Names as they are looked for: in capitals, without accents, word by word (`loyalty_name_key`, a migration's)."""

import re

from django.db import connection


def patterns(text: str) -> list[str]:
    """Return for each of the text's words the pattern of a name's key one of whose words it begins; one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT loyalty_name_key(%s)", [text])
        return [f"(^| ){re.escape(word)}" for word in cursor.fetchone()[0].split()]
