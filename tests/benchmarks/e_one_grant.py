"""Row E: one grant of an offer with a code, through its door, beside the same rows written by bare SQL.

Both ways look for the reference, and write a door entry, an assignment, an outbox row and a drawn code in one durable
transaction; they take turns, grant by grant. Afterwards sixteen writers ask for the last codes at once, and not one may be given twice.
"""

import random
import threading
import time
import uuid
from typing import Any

import psycopg
from django.db import connection

from loyalty.models import Member
from offers.models import OfferTemplate, Source, VoucherSegment
from offers.services import door
from offers.services.assignment import Grant
from tests.benchmarks import harness, planting

WRITERS, LAST_CODES = 16, 400

BEFORE = """
    SELECT member_id, answer FROM offers_doorentry
     WHERE programme_id = %s AND door = 6 AND instance = 'bench' AND reference = %s
"""
DRAW = "UPDATE offers_vouchersegment SET cursor = cursor + 1 WHERE id = %s AND cursor < size RETURNING cursor - 1"
INSERT = """
    WITH code AS (SELECT id FROM offers_vouchercode WHERE segment_id = %(segment)s AND position = %(position)s)
    INSERT INTO offers_assignment
           (member_id, config_offer_id, revision_id, template_id, source, reference, holding_key, rank, starts_at, ends_at,
            acceptance_required, exposure_minor, voucher_code_id, issued_at, synchronized_at, updated_at)
    SELECT %(member)s, %(offer)s, %(revision)s, %(template)s, 6, %(reference)s, 0, 100, now(), now() + interval '30 days',
           false, 0, code.id, now(), now(), now()
      FROM code
    RETURNING id
"""
TELL = """
    INSERT INTO loyalty_outboxevent (programme_id, type, config_offer_id, assignment_ids, is_synchronized, size, data)
    VALUES (%s, 'assignment.created', %s, ARRAY[%s]::uuid[], true, 1, '{"source": 6}')
"""
REMEMBER = """
    INSERT INTO offers_doorentry (programme_id, door, instance, reference, member_id, assignment_id, answer, context)
    VALUES (%s, 6, 'bench', %s, %s, %s, '{"outcome": "assigned"}', '{}')
"""


class Scene:
    def __init__(self, *, members: int, codes: int) -> None:
        self.programme = planting.programme()
        planting.members(self.programme, count=members)
        harness.execute("TRUNCATE offers_assignment, loyalty_outboxevent, offers_doorentry, offers_vouchercode")
        self.template: OfferTemplate = planting.offer(self.programme, "grant", require_vouchers=True)
        offer = self.template.config_offer
        offer.repeat_policy = "once_ever"
        offer.save(update_fields=["repeat_policy"])
        self.segment: VoucherSegment = planting.codes(self.template, count=codes)
        ids = list(Member.objects.filter(programme=self.programme).values_list("pk", flat=True))
        random.Random(1).shuffle(ids)
        self.ids = ids
        harness.settle()

    def service(self, member_id: int) -> str:
        grant = Grant(template_id=self.template.pk, member_id=member_id, reference=str(uuid.uuid4()))
        answer = door.grant(programme=self.programme, door=Source.API, instance="bench", grant=grant, actor=None)
        return answer.outcome.code

    def bare(self, session: psycopg.Connection[Any], member_id: int) -> None:
        offer, reference = self.template.config_offer, str(uuid.uuid4())
        with session.transaction():
            session.execute(BEFORE, [self.programme.pk, reference], prepare=True).fetchall()
            [position] = session.execute(DRAW, [self.segment.pk], prepare=True).fetchone() or [None]
            [made] = session.execute(
                INSERT,
                {
                    "segment": self.segment.pk,
                    "position": position,
                    "member": member_id,
                    "offer": offer.pk,
                    "revision": offer.current_revision_id,
                    "template": self.template.pk,
                    "reference": reference,
                },
                prepare=True,
            ).fetchone() or [None]
            session.execute(TELL, [self.programme.pk, offer.pk, made], prepare=True)
            session.execute(REMEMBER, [self.programme.pk, reference, member_id, made], prepare=True)

    def rush(self) -> tuple[int, int]:
        """Let the writers ask for the last codes; return how many were assigned, and how many codes went twice."""
        offer = self.template.config_offer
        fresh = planting.offer(self.programme, f"rush-{offer.pk}", require_vouchers=True)
        planting.codes(fresh, count=LAST_CODES)
        self.template = fresh
        outcomes: list[str] = []

        def write(number: int) -> None:
            try:
                outcomes.extend(self.service(member) for member in self.ids[number * 50 : (number + 1) * 50])
            finally:
                connection.close()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        distinct = harness.value(
            "SELECT count(DISTINCT voucher_code_id) FROM offers_assignment WHERE config_offer_id = %s",
            [fresh.config_offer_id],
        )
        return outcomes.count("assigned"), outcomes.count("assigned") - distinct


def run(*, n: int = 1_000_000, repeats: int = 5) -> None:
    """Take turns for `repeats` times two hundred grants each, and report the medians."""
    count = repeats * 200
    scene = Scene(members=n, codes=2 * count + 200)
    session = _session()
    seconds: dict[str, list[float]] = {"service": [], "bare": []}
    for number in range(count + 50):
        ours, theirs = scene.ids[2 * number], scene.ids[2 * number + 1]
        begun = time.perf_counter()
        outcome = scene.service(ours)
        between = time.perf_counter()
        scene.bare(session, theirs)
        ended = time.perf_counter()
        if outcome != "assigned":
            raise SystemExit(f"A grant was answered with {outcome}.")
        # The first fifty prepare statements and fill caches.
        if number >= 50:
            seconds["service"].append(between - begun)
            seconds["bare"].append(ended - between)
    session.close()
    assigned, oversold = scene.rush()
    if (assigned, oversold) != (LAST_CODES, 0):
        raise SystemExit(f"{WRITERS} writers got {assigned} of {LAST_CODES} codes, {oversold} of them twice.")
    service, bare = harness.median(seconds["service"]), harness.median(seconds["bare"])
    harness.report(
        "E",
        n=count,
        seconds=service,
        ratio_to_limit=service / bare,
        ratio_to_orm=0.0,
        milliseconds={name: round(harness.median(values) * 1000, 3) for name, values in seconds.items()},
        writers=WRITERS,
        last_codes=LAST_CODES,
        assigned=assigned,
        oversold=oversold,
    )


def _session() -> psycopg.Connection[Any]:
    parameters = connection.get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)
