"""What `test_integrity` breaks, by raw SQL on its world, and every check that has to notice."""

DROP_HOLDING = "ALTER TABLE offers_assignment DROP CONSTRAINT a_member_holds_an_offer_once_per_key;"
DROP_CODE = "DROP INDEX a_code_is_given_once;"
ANY_SEGMENT = "(SELECT id FROM offers_vouchersegment WHERE bank_id = %(bank)s ORDER BY id LIMIT 1)"
FREE_CODE = f"""(
    SELECT code.id FROM offers_vouchercode AS code JOIN offers_vouchersegment AS segment ON segment.id = segment_id
     WHERE segment.id = {ANY_SEGMENT} AND position = segment.cursor)"""

# By what is wrong: statements, the last of which changes rows, and the checks that find it.
PLANTS = {
    "a second holder of a code": (
        DROP_CODE + "UPDATE offers_assignment SET voucher_code_id = "
        "(SELECT voucher_code_id FROM offers_assignment WHERE id = %(shown)s) WHERE id = %(revoked)s",
        {"code_held_twice"},
    ),
    "a code of another offer's bank": (
        """
        UPDATE offers_assignment SET voucher_code_id = NULL WHERE config_offer_id = %(foreign)s;
        UPDATE offers_assignment SET voucher_code_id = (
            SELECT code.id FROM offers_vouchercode AS code
              JOIN offers_voucherbank AS bank ON bank.id = code.bank_id
             WHERE bank.config_offer_id = %(foreign)s AND code.position = 0)
         WHERE id = %(revoked)s
        """,
        {"code_of_another_bank"},
    ),
    "a bank in another programme": (
        "UPDATE offers_voucherbank SET programme_id = %(other)s WHERE id = %(bank)s",
        {"bank_across_programmes"},
    ),
    "a code without a place": (
        f"UPDATE offers_vouchercode SET segment_id = NULL, position = NULL WHERE id = {FREE_CODE}",
        {"code_out_of_place", "segment_not_dense", "batch_lost_codes"},
    ),
    "a till's code on the tape": (
        f"UPDATE offers_vouchercode SET origin = 2 WHERE id = {FREE_CODE}",
        {"code_out_of_place", "cursor_is_not_drawn"},
    ),
    "a hole in the tape": (
        f"DELETE FROM offers_vouchercode WHERE id = {FREE_CODE}",
        {"segment_not_dense", "batch_lost_codes", "cursor_is_not_drawn"},
    ),
    "a position used twice": (
        "ALTER TABLE offers_vouchercode DROP CONSTRAINT a_position_holds_one_code;"
        f"UPDATE offers_vouchercode SET position = position + 1 WHERE id = {FREE_CODE}",
        {"position_used_twice", "segment_not_dense"},
    ),
    "an undrawn code given away": (
        f"UPDATE offers_assignment SET voucher_code_id = {FREE_CODE} WHERE id = %(revoked)s",
        {"undrawn_code_held", "cursor_is_not_drawn"},
    ),
    "a cursor put forward": (
        f"UPDATE offers_vouchersegment SET cursor = cursor + 1 WHERE id = {ANY_SEGMENT}",
        {"drawn_code_lost", "cursor_is_not_drawn"},
    ),
    "a cursor put back": (
        f"UPDATE offers_vouchersegment SET cursor = cursor - 1 WHERE id = {ANY_SEGMENT}",
        {"undrawn_code_held", "cursor_is_not_drawn", "reservation_not_drawn"},
    ),
    "a drawn code that lost its holder": (
        "UPDATE offers_assignment SET voucher_code_id = NULL WHERE id = %(shown)s",
        {"drawn_code_lost", "cursor_is_not_drawn"},
    ),
    "an import that counted one more": (
        "UPDATE offers_voucherbatch SET imported = imported + 1 WHERE bank_id = %(bank)s",
        {"batch_lost_codes"},
    ),
    "a position reserved twice": (
        "INSERT INTO offers_codereservation (run_id, segment_id, first_position, first_ordinal, size, released_at) "
        "SELECT run_id, segment_id, first_position, first_ordinal, 1, released_at FROM offers_codereservation LIMIT 1",
        {"reservations_overlap", "run_reserved_miscounted"},
    ),
    "a reserved code given by a desk": (
        "UPDATE offers_assignment SET run_id = NULL WHERE id = %(of_run)s",
        {
            "reserved_code_held_elsewhere",
            "run_assigned_miscounted",
            "assignment_not_told_once",
        },
    ),
    "an offer held twice": (
        DROP_HOLDING + "UPDATE offers_assignment SET member_id = %(member)s WHERE id = %(shown)s",
        {"offer_held_twice"},
    ),
    "a holding let go without a reason": (
        "UPDATE offers_assignment SET holding_key = NULL WHERE id = %(shown)s",
        {"holding_key_against_policy"},
    ),
    "a revoked assignment that still holds": (
        "UPDATE offers_assignment SET revoked_at = clock_timestamp() WHERE id = %(shown)s",
        {"holding_key_against_policy"},
    ),
    "an open one that does not hold": (
        "UPDATE offers_assignment SET holding_key = 0 WHERE config_offer_id = %(foreign)s",
        {"holding_key_against_policy"},
    ),
    "a used up one that holds where only open ones do": (
        "UPDATE offers_assignment SET used_up_at = now() + interval '1 hour' WHERE config_offer_id = %(foreign)s",
        {"holding_key_against_policy"},
    ),
    "a holding where any number is allowed": (
        "UPDATE offers_assignment SET holding_key = 0 WHERE id = %(plain)s",
        {"holding_key_against_policy"},
    ),
    "accepted before it was issued": (
        "UPDATE offers_assignment SET accepted_at = issued_at - interval '1 second' WHERE id = %(shown)s",
        {"moments_out_of_order"},
    ),
    "shown before the till knew of it": (
        "UPDATE offers_assignment SET synchronized_at = NULL WHERE id = %(shown)s",
        {"moments_out_of_order"},
    ),
    "over before it begins": (
        "UPDATE offers_assignment SET starts_at = ends_at WHERE id = %(shown)s",
        {"moments_out_of_order"},
    ),
    "another offer's template": (
        "UPDATE offers_assignment SET template_id = %(foreign_template)s WHERE id = %(shown)s",
        {"assignment_of_another_offer"},
    ),
    "another programme's member": (
        "UPDATE offers_assignment SET member_id = %(stranger)s WHERE id = %(plain)s",
        {"assignment_across_programmes"},
    ),
    "another programme's campaign": (
        "UPDATE offers_assignment SET campaign_id = %(campaign)s WHERE id = %(plain)s",
        {"assignment_across_programmes"},
    ),
    "a door's entry in another programme": (
        "UPDATE offers_doorentry SET programme_id = %(other)s WHERE assignment_id = %(shown)s",
        {"door_entry_across_programmes"},
    ),
    "a door's answer without its assignment": (
        "UPDATE offers_doorentry SET assignment_id = NULL WHERE assignment_id = %(shown)s",
        {"door_entry_against_its_answer"},
    ),
    "a redemption of another offer": (
        "UPDATE offers_redemption SET assignment_id = %(shown)s",
        {"redemption_out_of_place"},
    ),
    "a run with another programme's campaign": (
        "UPDATE offers_massassignment SET campaign_id = %(campaign)s",
        {"run_across_programmes"},
    ),
    "a stranger in the audience": (
        "UPDATE offers_audiencemember SET member_id = %(stranger)s WHERE ordinal = 0",
        {"audience_across_programmes"},
    ),
    "a matched count that is not so": (
        "UPDATE offers_massassignment SET matched = matched + 1",
        {"run_audience_miscounted"},
    ),
    "a reason that nobody was left out for": (
        """UPDATE offers_massassignment SET excluded = '{"held_out": 2}'""",
        {"run_audience_miscounted"},
    ),
    "an eligible count that is not so": (
        "UPDATE offers_massassignment SET eligible = eligible + 1",
        {"run_audience_miscounted", "run_chunks_against_audience", "run_reserved_miscounted"},
    ),
    "an ordinal used twice": (
        "UPDATE offers_audiencemember SET ordinal = 1 WHERE ordinal = 0",
        {"run_ordinals_not_dense"},
    ),
    "a chunk that counted one more": (
        "UPDATE offers_massassignmentchunk SET assigned = assigned + 1 WHERE number = 0",
        {"run_assigned_miscounted", "chunk_miscounted", "chunk_not_told_once"},
    ),
    "a chunk that was not done": (
        "UPDATE offers_massassignmentchunk SET done_at = NULL WHERE number = 0",
        {"chunk_miscounted", "run_over_with_open_ends"},
    ),
    "a refusal that nobody counted": (
        "UPDATE offers_audiencemember SET outcome = 'already_held' WHERE ordinal = 0",
        {"run_refused_miscounted"},
    ),
    "a reservation that was not let go": (
        "UPDATE offers_codereservation SET released_at = NULL",
        {"run_over_with_open_ends"},
    ),
    "a reservation too small": (
        "UPDATE offers_codereservation SET size = size - 1",
        {"run_reserved_miscounted"},
    ),
    "a member of a run without her code": (
        "UPDATE offers_assignment SET voucher_code_id = NULL WHERE id = %(of_run)s",
        {"run_assignment_without_code", "drawn_code_lost", "cursor_is_not_drawn"},
    ),
    "a gap in the positions": (
        "UPDATE loyalty_outboxevent SET position = position + 1000 WHERE position = 1",
        {"outbox_position_gap"},
    ),
    "a position given twice": (
        "ALTER TABLE loyalty_outboxevent DROP CONSTRAINT loyalty_outboxevent_position_key;"
        "UPDATE loyalty_outboxevent SET position = 2 WHERE position = 3",
        {"outbox_position_twice", "outbox_position_gap"},
    ),
    "an event in another programme": (
        "UPDATE loyalty_outboxevent SET programme_id = %(other)s WHERE run_id = %(run)s AND chunk = 0",
        {"event_across_programmes"},
    ),
    "an event larger than what it names": (
        "UPDATE loyalty_outboxevent SET size = 2 WHERE %(shown)s = ANY(assignment_ids)",
        {"event_size"},
    ),
    "an event of nothing": (
        "UPDATE loyalty_outboxevent SET assignment_ids = ARRAY[uuidv7()] WHERE %(shown)s = ANY(assignment_ids)",
        {"event_of_no_assignment", "assignment_not_told_once"},
    ),
    "an assignment that nobody was told of": (
        "DELETE FROM loyalty_outboxevent WHERE id = (SELECT max(id) FROM loyalty_outboxevent "
        "WHERE type = 'assignment.created' AND %(plain)s = ANY(assignment_ids))",
        {"assignment_not_told_once"},
    ),
    "an assignment told of twice": (
        "INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, assignment_ids, size, data) "
        "SELECT programme_id, type, config_offer_id, assignment_ids, size, data FROM loyalty_outboxevent "
        "WHERE type = 'assignment.created' AND %(shown)s = ANY(assignment_ids)",
        {"assignment_not_told_once"},
    ),
    "a chunk told of twice": (
        "INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, run_id, chunk, assignment_ids, size, "
        "data) SELECT programme_id, type, config_offer_id, run_id, chunk, assignment_ids, size, data "
        "FROM loyalty_outboxevent WHERE run_id = %(run)s AND chunk = 0",
        {"chunk_not_told_once"},
    ),
    "a chunk that does not exist": (
        "UPDATE loyalty_outboxevent SET chunk = 77 WHERE run_id = %(run)s AND chunk = 0",
        {"chunk_not_told_once"},
    ),
}  # fmt: skip

# What `test_integrity_limit` breaks on its world, which has limits and a run at work.
PLANTS_OF_LIMITS = {
    "one too many": (
        "UPDATE offers_limit SET assigned = assigned + 1 WHERE campaign_id IS NULL",
        {"limit_miscounted"},
    ),
    "money too little": (
        "UPDATE offers_limit SET spent_minor = spent_minor - 5 WHERE config_offer_id IS NULL",
        {"limit_miscounted"},
    ),
    "a use that stands of what was taken back with its share": (
        """
        INSERT INTO offers_redemption
               (programme_id, member_id, config_offer_id, assignment_id, external_id, redeemed_at)
        SELECT member.programme_id, given.member_id, given.config_offer_id, given.id, 'till', given.issued_at
          FROM offers_assignment AS given JOIN loyalty_member AS member ON member.id = given.member_id
         WHERE given.revoked_at IS NOT NULL
        """,
        {"limit_miscounted", "member_miscounted"},
    ),
    "a share too small": ("UPDATE offers_limitreservation SET size = size - 1", {"limit_miscounted"}),
    "a share left behind": (
        "UPDATE offers_massassignment SET state = 'failed'",
        {"limit_share_left_behind"},
    ),
    "a member's count too high": (
        "UPDATE offers_membercount SET assigned = assigned + 1",
        {"member_miscounted"},
    ),
    "a member's count lost": ("DELETE FROM offers_membercount", {"member_miscounted"}),
}

# What `test_integrity_undo` breaks on its world, in which a run was undone after one member used hers.
PLANTS_OF_UNDO = {
    "an undo that counted one too many": (
        "UPDATE offers_massassignmentundochunk SET counts = jsonb_set(counts, '{revoked}', '3') WHERE number = 0",
        {"undo_miscounted"},
    ),
    "an undo that told of too few": (
        "UPDATE loyalty_outboxevent SET size = size - 1 WHERE type = 'assignment.revoked' AND chunk = 0",
        {"undo_miscounted"},
    ),
    "an undo that lost a moment": (
        "UPDATE offers_massassignmentundochunk SET revoked_at = revoked_at + interval '1 second' WHERE number = 0",
        {"undo_miscounted"},
    ),
    "undone before its last chunk": (
        "UPDATE offers_massassignmentundochunk SET done_at = NULL WHERE number = 1",
        {"undone_with_chunks_left"},
    ),
    "undone by nobody": (
        "UPDATE offers_massassignment SET state = 'finished'",
        {"undone_with_chunks_left"},
    ),
    "one that stayed and was taken back": (
        "UPDATE offers_keptassignment SET assignment_id = (SELECT assignment_id FROM offers_assignmentevent LIMIT 1)",
        {"kept_without_use"},
    ),
}

# What `test_integrity_personal_offer` breaks: an import with one row of each kind, another programme beside it.
PLANTS_OF_PERSONAL_OFFERS = {
    "an attribute of another member": (
        "UPDATE offers_personaloffervalue SET member_id = %(stranger)s WHERE member_id = %(one)s",
        {"personal_value_out_of_place", "personal_value_without_its_row", "personal_offer_without_its_value"},
    ),
    "an attribute that no import brought": (
        "UPDATE offers_personaloffervalue SET digest = 'x' WHERE member_id = %(one)s",
        {"personal_value_without_its_row"},
    ),
    "an attribute that lost its way": (
        "DELETE FROM offers_personaloffervalue WHERE member_id = %(one)s",
        {"personal_offer_without_its_value"},
    ),
    "an import in another programme": (
        "UPDATE offers_personalofferimport SET programme_id = %(other)s WHERE id = %(upload)s",
        {"personal_value_out_of_place", "personal_import_out_of_place"},
    ),
    "a row that was never answered": (
        "UPDATE offers_personalofferrow SET outcome = NULL WHERE upload_id = %(upload)s AND outcome = 'unchanged'",
        {"personal_import_half_done", "personal_import_miscounted"},
    ),
    "a file that was kept": (
        "INSERT INTO offers_personalofferpart (upload_id, number, content) VALUES (%(upload)s, 0, '')",
        {"personal_import_half_done"},
    ),
    "an import that counted one more": (
        "UPDATE offers_personalofferimport SET counts = jsonb_set(counts, '{new}', '9') WHERE id = %(upload)s",
        {"personal_import_miscounted"},
    ),
    "a refusal without a reason": (
        "UPDATE offers_personalofferrow SET reasons = NULL WHERE upload_id = %(upload)s AND outcome = 'refused'",
        {"personal_row_against_its_answer"},
    ),
    "a row left out for nothing": (
        "UPDATE offers_personalofferrow SET problems = NULL WHERE upload_id = %(upload)s AND outcome = 'faulty'",
        {"personal_row_against_its_answer"},
    ),
    "an acceptance before the issue that nobody kept": (
        "UPDATE offers_assignment SET accepted_at = issued_at - interval '1 day' WHERE id = %(kept)s",
        {"moments_out_of_order"},
    ),
}
