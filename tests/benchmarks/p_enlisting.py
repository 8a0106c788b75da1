"""Row P: a hundred thousand members enlisted in a personalized promotion by their external ids, as one set (S2-09).

The limit is the same rows in bare SQL: enrolments by one INSERT … SELECT over the ids, an event each by another. The
usual way enlists a member at a time. Statements are counted too: a set of ten takes as many as the whole.
"""

import uuid

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty import clock
from loyalty.models import Member
from offers.models import PersonalizedPromotion, PromotionEnrolment, PromotionEvent, PromotionProductList
from offers.services import promotion_enrolment
from offers.services.verb import By
from tests.benchmarks import harness, planting

ENROL = """
    INSERT INTO offers_promotionenrolment (promotion_id, product_list_id, member_id, assigned_at)
    SELECT %(promotion)s, %(list)s, id, now()
      FROM loyalty_member WHERE programme_id = %(programme)s AND external_id = ANY(%(ids)s::text[]) ORDER BY id
"""
TELL = """
    INSERT INTO offers_promotionevent (enrolment_id, at, verb, data)
    SELECT id, now(), 'assigned', '{"list": "bench"}'
      FROM offers_promotionenrolment WHERE promotion_id = %(promotion)s ORDER BY id
"""


class Scene:
    """A promotion with a list, whom nobody was enlisted in, and members as a system of theirs names them."""

    def __init__(self, *, members: int, size: int) -> None:
        self.programme = planting.programme()
        planting.members(self.programme, count=members)
        known = Member.objects.filter(programme=self.programme).order_by("external_id")
        self.ids = list(known.values_list("external_id", flat=True)[:size])
        self.promotion = PersonalizedPromotion.objects.create(programme=self.programme, name="Bench")
        self.list = PromotionProductList.objects.create(
            promotion=self.promotion, external_id=uuid.uuid4().hex, name="Bench"
        )

    def fresh(self) -> None:
        harness.execute("TRUNCATE offers_promotionenrolment, offers_promotionevent, offers_promotionchoice")
        harness.settle()

    def enlist(self, size: int) -> None:
        done = promotion_enrolment.assign(product_list=self.list, members=self.ids[:size], by=By(), now=clock.now())
        if done.assigned != size:
            raise SystemExit(f"Of {size} members {done.assigned} were enlisted.")

    def queries(self, size: int) -> int:
        self.fresh()
        with CaptureQueriesContext(connection) as asked:
            self.enlist(size)
        return len(asked)

    def ours(self) -> float:
        self.fresh()
        return harness.stopwatch(lambda: self.enlist(len(self.ids)))

    def limit(self) -> float:
        self.fresh()
        asked = {
            "promotion": self.promotion.pk, "list": self.list.pk, "programme": self.programme.pk, "ids": self.ids,
        }  # fmt: skip

        def work() -> None:
            with transaction.atomic():
                harness.execute(ENROL, asked)
                harness.execute(TELL % {"promotion": self.promotion.pk})

        return harness.stopwatch(work)

    def usual(self, size: int) -> float:
        self.fresh()
        return harness.stopwatch(lambda: self._enlist_each(size))

    def _enlist_each(self, size: int) -> None:
        now = timezone.now()
        for external_id in self.ids[:size]:
            with transaction.atomic():
                member = Member.objects.get(programme=self.programme, external_id=external_id)
                held, _is_new = PromotionEnrolment.objects.get_or_create(
                    promotion=self.promotion, member=member, defaults={"product_list": self.list, "assigned_at": now}
                )
                PromotionEvent.objects.create(enrolment=held, at=now, verb="assigned", data={"list": "bench"})


def run(*, n: int, repeats: int = 5, size: int = promotion_enrolment.MOST_MEMBERS, orm_size: int = 1_000) -> None:
    """Measure enlisting `size` of `n` members; raises SystemExit where not all were."""
    scene = Scene(members=n, size=min(size, n))
    # The session's first set also asks what a session asks once.
    scene.queries(10)
    few, many = scene.queries(10), scene.queries(len(scene.ids))
    if few != many:
        raise SystemExit(f"Statements grow with the members: {few} for ten, {many} for {len(scene.ids)}.")
    ways = {"ours": scene.ours, "limit": scene.limit, "usual": lambda: scene.usual(orm_size)}
    seconds = harness.interleaved(ways, repeats=repeats)
    ours, limit, usual = (harness.median(seconds[way]) for way in ways)
    harness.report(
        "P enlisting in a promotion",
        n=len(scene.ids),
        seconds=ours,
        ratio_to_limit=ours / limit,
        ratio_to_orm=usual / orm_size / (ours / len(scene.ids)),
        statements=many,
    )
