"""Row O: making good for five thousand members in one set, with a code each, within an allowance; and its undo (B-05).

The limit is the same rows in bare SQL, one statement a table, in one transaction: drawn codes, assignments, the outbox,
the door's answers, the ledger and the set's lines; and for the undo the same rows the other way. The usual way grants to
a member at a time, with a count of the allowance before each, and takes back a member at a time. Queries are counted
too: a set of ten takes as many as one of five thousand.
"""

import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty import clock
from loyalty.models import Member, OutboxEvent, User
from offers.models import Assignment, AssignmentEvent, DoorEntry, GrantLedgerEntry, VoucherCode, VoucherSegment
from support.models import Allowance, GrantBatch, GrantBatchLine, MemberAllowance
from support.services import grant_batch, grant_batch_lines
from support.services.grant import Why
from support.services.grant_batch_lines import Plan
from tests.benchmarks import harness, planting

WRITTEN = (
    "offers_assignment, offers_assignmentevent, loyalty_outboxevent, offers_doorentry, offers_grantledgerentry,"
    " support_grantbatch, support_grantbatchline"
)
BARE = (
    "UPDATE offers_vouchersegment SET cursor = cursor + %(n)s WHERE id = %(segment)s",
    """
    INSERT INTO offers_assignment
           (member_id, config_offer_id, revision_id, template_id, source, reference, holding_key, rank, starts_at,
            ends_at, acceptance_required, exposure_minor, voucher_code_id, issued_at, synchronized_at, updated_at)
    SELECT member.id, %(offer)s, %(revision)s, %(template)s, 1, member.id::text, NULL, 100, now(),
           now() + interval '30 days', false, 500, code.id, now(), now(), now()
      FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place
              FROM loyalty_member WHERE id = ANY(%(members)s)) AS member
      JOIN offers_vouchercode AS code ON code.segment_id = %(segment)s AND code.position = member.place
     ORDER BY member.id
    """,
    """
    INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
    SELECT %(programme)s, 'assignment.created', %(offer)s, array_agg(id), true, count(*), '{"source": 1}'
      FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM offers_assignment) AS given GROUP BY part
    """,
    """
    INSERT INTO offers_doorentry
           (programme_id, door, instance, reference, member_id, assignment_id, actor_id, answer, context, created_at)
    SELECT %(programme)s, 1, 'bench', reference, member_id, id, %(agent)s,
           jsonb_build_object('outcome', 'assigned', 'assignment', id::text, 'template', template_id), '{}', now()
      FROM offers_assignment ORDER BY reference
    """,
    """
    INSERT INTO support_grantbatch
           (id, programme_id, reference, template_id, terms, reason, ticket, note, is_again, asked_by_id, asked_at,
            expires_at, state, counts, exposure_minor, excesses, answer, granted_at)
    VALUES (%(batch)s, %(programme)s, %(batch)s, %(template)s, '{}', 'service', '#1', '', false, %(agent)s, now(), now(),
            'granted', '{}', 0, '[]', '', now())
    """,
    """
    INSERT INTO offers_grantledgerentry
           (programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id, reason, ticket,
            ticket_key, note, n, exposure_minor, batch)
    SELECT %(programme)s, now(), current_date, %(agent)s, member_id, config_offer_id, template_id, id, 'service', '#1',
           '1', '', 1, exposure_minor, %(batch)s
      FROM offers_assignment ORDER BY id
    """,
    """
    INSERT INTO support_grantbatchline (batch_id, place, line, named, member_id, outcome, assignment_id, undone)
    SELECT %(batch)s, row_number() OVER (ORDER BY id), 1, reference, member_id, 'assigned', id, ''
      FROM offers_assignment
    """,
)
BARE_UNDO = (
    """
    INSERT INTO offers_assignmentevent (assignment_id, at, verb, source, actor_id, data)
    SELECT held.id, now(), 'undone', 1, %(agent)s, jsonb_build_object(
               'reason', 'undone', 'revoked_at', jsonb_build_array(NULL, now()),
               'voucher_code', jsonb_build_array(jsonb_build_object('id', code.id, 'code', code.code), NULL))
      FROM offers_assignment AS held JOIN offers_vouchercode AS code ON code.id = held.voucher_code_id ORDER BY held.id
    """,
    """
    INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
    SELECT %(programme)s, 'assignment.revoked', %(offer)s, array_agg(id), true, count(*), '{"verb": "undone"}'
      FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS part FROM offers_assignment) AS given GROUP BY part
    """,
    """
    INSERT INTO offers_grantledgerentry
           (programme_id, at, day, agent_id, member_id, config_offer_id, template_id, assignment_id, reason, ticket,
            ticket_key, note, n, exposure_minor, batch)
    SELECT programme_id, now(), day, agent_id, member_id, config_offer_id, template_id, assignment_id, reason, ticket,
           ticket_key, note, -1, -exposure_minor, batch
      FROM offers_grantledgerentry ORDER BY assignment_id
    """,
    "INSERT INTO offers_vouchersegment (bank_id, cursor, size) VALUES (%(bank)s, 0, %(n)s)",
    """
    UPDATE offers_vouchercode AS code
       SET segment_id = (SELECT max(id) FROM offers_vouchersegment WHERE bank_id = %(bank)s), position = place
      FROM (SELECT voucher_code_id AS id, row_number() OVER (ORDER BY voucher_code_id) - 1 AS place
              FROM offers_assignment) AS back
     WHERE code.id = back.id
    """,
    "UPDATE offers_assignment SET revoked_at = now(), updated_at = now(), holding_key = NULL, voucher_code_id = NULL",
    "UPDATE support_grantbatchline SET undone = 'undone' WHERE batch_id = %(batch)s",
    "UPDATE support_grantbatch SET state = 'undone', undone_at = now() WHERE id = %(batch)s",
)


class Scene:
    """Members, an offer with a bank, and an agent whose allowance holds one set."""

    def __init__(self, *, members: int, size: int) -> None:
        self.size, self.programme = size, planting.programme()
        planting.members(self.programme, count=members)
        self.template = planting.offer(self.programme, f"set-{uuid.uuid4().hex[:8]}", require_vouchers=True)
        self.offer = self.template.config_offer
        self.offer.repeat_policy = "unlimited"
        self.offer.save(update_fields=["repeat_policy"])
        self.segment = planting.codes(self.template, count=size)
        self.agent = User.objects.get_or_create(username="bench-agent")[0]
        Allowance.objects.get_or_create(programme=self.programme, defaults={"per_week": size, "per_day": size})
        MemberAllowance.objects.get_or_create(programme=self.programme, defaults={"number": 1, "days": 30})
        # Members as a list names them, not as the table has them.
        known = Member.objects.filter(programme=self.programme).order_by("status", "external_id")
        self.members = list(known.values_list("pk", "external_id")[:size])

    def fresh(self) -> None:
        """Empty what a set writes, and fill the bank as it was."""
        harness.execute(f"TRUNCATE {WRITTEN} CASCADE")
        planting.return_codes(self.segment)
        VoucherSegment.objects.filter(pk=self.segment.pk).update(cursor=0, size=self.size)
        harness.execute("VACUUM ANALYZE offers_vouchercode")
        harness.settle()

    def plan(self, size: int) -> Plan:
        named = [(n, external_id) for n, (_pk, external_id) in enumerate(self.members[:size], 1)]
        return Plan(self.programme, self.template, {}, named, Why("service", "#1"))

    def make(self, size: int) -> GrantBatch:
        made = grant_batch.make(plan=self.plan(size), reference=uuid.uuid4(), actor=self.agent, now=clock.now())
        if (made.state, made.counts) != ("granted", {"assigned": size}):
            raise SystemExit(f"The set ended as {made.state}: {made.counts}.")
        return made

    def undo(self, made: GrantBatch) -> None:
        grant_batch.undo(programme=self.programme, batch_id=made.pk, actor=self.agent, now=clock.now())
        left = harness.value(
            "SELECT sum(size - cursor) FROM offers_vouchersegment WHERE bank_id = %s", [self.segment.bank_id]
        )
        counted = harness.value("SELECT sum(n) FROM offers_grantledgerentry")
        if (left, counted) != (self.size, 0):
            raise SystemExit(f"The undo left {left} codes of {self.size}, and {counted} counted.")

    def queries(self, size: int) -> tuple[int, int]:
        """Return how many statements a set of that size takes, and its undo."""
        self.fresh()
        with CaptureQueriesContext(connection) as making:
            made = self.make(size)
        with CaptureQueriesContext(connection) as undoing:
            self.undo(made)
        return len(making), len(undoing)

    def ours(self) -> tuple[float, float]:
        self.fresh()
        made: list[GrantBatch] = []
        making = harness.stopwatch(lambda: made.append(self.make(self.size)))
        return making, harness.stopwatch(lambda: self.undo(made[0]))

    def limit(self) -> tuple[float, float]:
        self.fresh()
        parameters = {
            "n": self.size, "segment": self.segment.pk, "bank": self.segment.bank_id, "offer": self.offer.pk,
            "revision": self.offer.current_revision_id, "template": self.template.pk, "agent": self.agent.pk,
            "programme": self.programme.pk, "members": [pk for pk, _name in self.members], "batch": uuid.uuid4(),
        }  # fmt: skip

        def work(statements: tuple[str, ...]) -> None:
            with transaction.atomic():
                for statement in statements:
                    harness.execute(statement, parameters)

        return harness.stopwatch(lambda: work(BARE)), harness.stopwatch(lambda: work(BARE_UNDO))

    def usual(self, size: int) -> tuple[float, float]:
        """Return the seconds of a member at a time for so many, granting and taking back."""
        self.fresh()
        return harness.stopwatch(lambda: self._grant_each(size)), harness.stopwatch(self._undo_each)

    def _grant_each(self, size: int) -> None:
        now, batch = timezone.now(), uuid.uuid4()
        made = GrantBatch.objects.create(
            id=batch, programme=self.programme, reference=batch, template=self.template, reason="service",
            asked_by=self.agent, asked_at=now, expires_at=now, state="granted", granted_at=now,
        )  # fmt: skip
        for place, (_pk, external_id) in enumerate(self.members[:size], 1):
            with transaction.atomic():
                member = Member.objects.get(programme=self.programme, external_id=external_id)
                used = GrantLedgerEntry.objects.filter(agent=self.agent, programme=self.programme, day=now.date())
                if (used.aggregate(n=Sum("n"))["n"] or 0) >= self.size:
                    raise SystemExit("The usual way met its allowance.")
                segment = VoucherSegment.objects.select_for_update().get(pk=self.segment.pk)
                code = VoucherCode.objects.get(segment=segment, position=segment.cursor)
                segment.cursor = F("cursor") + 1
                segment.save(update_fields=["cursor"])
                held = Assignment.objects.create(
                    member=member, config_offer=self.offer, revision=self.offer.current_revision,
                    template=self.template, source=1, rank=100, starts_at=now, ends_at=now, voucher_code=code,
                    exposure_minor=500, issued_at=now, synchronized_at=now,
                )  # fmt: skip
                OutboxEvent.objects.create(
                    programme=self.programme, type="assignment.created", assignment_ids=[held.pk], size=1
                )
                DoorEntry.objects.create(
                    programme=self.programme, door=1, instance="bench", reference=str(held.pk), member=member,
                    assignment=held, actor=self.agent, answer={"outcome": "assigned"},
                )  # fmt: skip
                self._entry(held, 1, batch)
                GrantBatchLine.objects.create(
                    batch=made, place=place, line=place, named=external_id, member=member, outcome="assigned",
                    assignment=held,
                )  # fmt: skip

    def _undo_each(self) -> None:
        now = timezone.now()
        for line in GrantBatchLine.objects.order_by("place"):
            with transaction.atomic():
                held = (
                    Assignment.objects.select_for_update(of=("self",))
                    .select_related("voucher_code")
                    .get(pk=line.assignment_id)
                )
                code, held.voucher_code = held.voucher_code, None
                held.revoked_at, held.holding_key = now, None
                held.save(update_fields=["revoked_at", "holding_key", "voucher_code", "updated_at"])
                if code is not None:
                    code.save(update_fields=["position"])
                AssignmentEvent.objects.create(assignment=held, at=now, verb="undone", source=1, data={})
                OutboxEvent.objects.create(
                    programme=self.programme, type="assignment.revoked", assignment_ids=[held.pk], size=1
                )
                self._entry(held, -1, line.batch_id)
                line.undone = "undone"
                line.save(update_fields=["undone"])

    def _entry(self, held: Assignment, n: int, batch: Any) -> None:
        GrantLedgerEntry.objects.create(
            programme=self.programme, at=timezone.now(), day=timezone.now().date(), agent=self.agent,
            member_id=held.member_id, config_offer=self.offer, template=self.template, assignment=held,
            reason="service", n=n, exposure_minor=n * 500, batch=batch,
        )  # fmt: skip


def run(*, n: int, repeats: int = 5, size: int = grant_batch_lines.MOST, orm_size: int = 500) -> None:
    """Measure a set of `size` among `n` members, and its undo; raises SystemExit where not all was given or taken back."""
    scene = Scene(members=n, size=size)
    # The session's first set also asks what a session asks once.
    scene.queries(10)
    few, many = scene.queries(10), scene.queries(size)
    if few != many:
        raise SystemExit(f"Statements grow with the members: {few} for ten, {many} for {size}.")
    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "limit": [], "usual": []}
    for _ in range(repeats):
        seconds["ours"].append(scene.ours())
        seconds["limit"].append(scene.limit())
        seconds["usual"].append(scene.usual(orm_size))
    for turn, name in enumerate(("making good for many", "undo of a set")):
        ours, limit, usual = (harness.median([each[turn] for each in seconds[way]]) for way in seconds)
        harness.report(
            f"O {name}",
            n=size,
            seconds=ours,
            ratio_to_limit=ours / limit,
            ratio_to_orm=usual / orm_size / (ours / size),
            statements=many[turn],
        )
