"""What `tests/support/test_ledger` breaks in the ledger of the desk's grants, and the checks that have to notice."""

UNPROTECTED_LEDGER = "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE offers_grantledgerentry DISABLE TRIGGER USER;"
# She used what she was granted, in part.
USE = """
    INSERT INTO offers_redemption
           (programme_id, member_id, config_offer_id, assignment_id, external_id, redeemed_at)
    SELECT entry.programme_id, given.member_id, given.config_offer_id, given.id, given.id::text, given.issued_at
      FROM offers_assignment AS given JOIN offers_grantledgerentry AS entry ON entry.assignment_id = given.id;
"""
PLANTS_OF_THE_LEDGER = {
    "a grant that is not in it": (
        f"{UNPROTECTED_LEDGER} DELETE FROM offers_grantledgerentry",
        {"grant_not_in_the_ledger"},
    ),
    "another cost than the assignment's": (
        f"{UNPROTECTED_LEDGER} UPDATE offers_grantledgerentry SET exposure_minor = 1",
        {"grant_not_in_the_ledger"},
    ),
    "revoked, and still counted": (
        "UPDATE offers_assignment SET revoked_at = issued_at, holding_key = NULL",
        {"ledger_not_taken_back"},
    ),
    "taken back, and still held": (
        """
        INSERT INTO offers_grantledgerentry
               (programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id,
                reason, ticket, ticket_key, note, n, exposure_minor)
        SELECT programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id,
               reason, ticket, ticket_key, note, -1, -exposure_minor FROM offers_grantledgerentry
        """,
        {"ledger_not_taken_back"},
    ),
    "taken back, though a use of it stands": (
        f"""{UNPROTECTED_LEDGER} {USE} INSERT INTO offers_grantledgerentry
               (programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id,
                reason, ticket, ticket_key, note, n, exposure_minor)
        SELECT programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id,
               reason, ticket, ticket_key, note, -1, -exposure_minor FROM offers_grantledgerentry;
        UPDATE offers_assignment SET revoked_at = issued_at, holding_key = NULL""",
        {"ledger_not_taken_back"},
    ),
    "revoked, its use given back, and still counted": (
        f"{USE} UPDATE offers_redemption SET returned_at = redeemed_at;"
        "UPDATE offers_assignment SET revoked_at = issued_at, holding_key = NULL",
        {"ledger_not_taken_back"},
    ),
    "a counter-row of nothing": (
        f"{UNPROTECTED_LEDGER} UPDATE offers_grantledgerentry SET n = -1, exposure_minor = -exposure_minor",
        {"grant_not_in_the_ledger", "ledger_not_taken_back"},
    ),
}
