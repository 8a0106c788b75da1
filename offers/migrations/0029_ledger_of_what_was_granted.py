"""The ledger begins with what agents granted before it was kept: their doors' entries say what, why and for which ticket."""

from django.db import migrations

COLUMNS = """
    programme_id, at, day, agent_id, approved_by_id, member_id, config_offer_id, template_id, assignment_id,
    reason, ticket, ticket_key, note, n, exposure_minor, batch
"""
# An entry with a reason is the desk's form (door 1); tests and tools at that door gave none.
FILL = f"""
    INSERT INTO offers_grantledgerentry ({COLUMNS})
    SELECT entry.programme_id, entry.created_at, (entry.created_at AT TIME ZONE programme.timezone)::date,
           entry.actor_id, NULL, given.member_id, given.config_offer_id, given.template_id, given.id,
           left(entry.context ->> 'reason', 40), left(coalesce(entry.context ->> 'ticket', ''), 60),
           lower(ltrim(btrim(left(coalesce(entry.context ->> 'ticket', ''), 60)), '# ')),
           left(coalesce(entry.context ->> 'note', ''), 500), 1, given.exposure_minor, NULL
      FROM offers_doorentry AS entry
      JOIN offers_assignment AS given ON given.id = entry.assignment_id
      JOIN loyalty_programme AS programme ON programme.id = entry.programme_id
     WHERE entry.door = 1 AND entry.actor_id IS NOT NULL AND entry.context ->> 'reason' IS NOT NULL
     ORDER BY entry.id
        ON CONFLICT DO NOTHING
"""
# Taken back is what was revoked, itself or what it was reissued as, and not reissued again.
TAKE_BACK = f"""
    WITH RECURSIVE chain AS (
        SELECT entry.id AS entry_id, given.id, given.member_id, given.revoked_at
          FROM offers_grantledgerentry AS entry
          JOIN offers_assignment AS given ON given.id = entry.assignment_id
         WHERE entry.n = 1
        UNION ALL
        SELECT chain.entry_id, later.id, later.member_id, later.revoked_at
          FROM chain
          JOIN offers_assignment AS later ON later.member_id = chain.member_id AND later.replaces_id = chain.id
    )
    INSERT INTO offers_grantledgerentry ({COLUMNS})
    SELECT programme_id, chain.revoked_at, day, agent_id, approved_by_id, entry.member_id, config_offer_id, template_id,
           assignment_id, reason, ticket, ticket_key, note, -1, -exposure_minor, batch
      FROM chain
      JOIN offers_grantledgerentry AS entry ON entry.id = chain.entry_id
     WHERE chain.revoked_at IS NOT NULL
       AND NOT EXISTS (
            SELECT FROM offers_assignment AS later
             WHERE later.member_id = chain.member_id AND later.replaces_id = chain.id
           )
     ORDER BY entry.id
        ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("offers", "0028_ledger_of_the_desk")]
    operations = [
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(TAKE_BACK, migrations.RunSQL.noop),
    ]
