"""Members as the programme knows them: one of them, or those that a text begins."""

from django.db import connection, transaction
from django.utils.translation import gettext as _

from loyalty import names
from loyalty.errors import NotFound
from loyalty.models import Member, Programme


class MemberNotFound(NotFound):
    """The programme has no such member."""

    code = "unknown_member"


def find(*, programme: Programme, external_id: str) -> Member:
    """Return the programme's member with that external id, erased ones too. Raises MemberNotFound."""
    found = Member.objects.filter(programme=programme, external_id=external_id).first()
    if found is None:
        raise MemberNotFound(_("There is no member with this external id."))
    return found


# As the ORM spells it in the index.
NAME = "loyalty_name_key((coalesce(first_name, '') || (coalesce(coalesce(' ', '') || coalesce(last_name, ''), ''))))"


def begun(*, programme: Programme, text: str, most: int) -> list[int] | None:
    """Return the ids of members whose external id, or words of whose name, begin so; None where they are more.

    A name is found by each of the text's words, without case and accents. Both ways are read from their index: for a
    text that begins nobody's, whoever joins members to filter them reads all of them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        known = Member.objects.filter(programme=programme, external_id__startswith=text)
        found = set(known.values_list("pk", flat=True)[: most + 1])
        if len(found) > most:
            return None
        words = names.patterns(text)
        if words:
            # For a rare name the planner expects more rows than there are, and reads the whole programme instead.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute(
                f"SELECT id FROM loyalty_member WHERE programme_id = %s AND NOT (status = 'erased')"
                f"{f' AND {NAME} ~ %s' * len(words)} LIMIT %s",
                [programme.pk, *words, most + 1],
            )
            found.update(row[0] for row in cursor.fetchall())
            cursor.execute("SET LOCAL enable_seqscan = on")
            cursor.execute("SET LOCAL enable_indexscan = on")
    return list(found) if len(found) <= most else None
