"""Hypothesis drives the verbs against a simple model, in any order and as time passes (D-01, D-10, B-06).

After each step statuses, what counts as held, where each code is, and the events agree with the model.
"""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from loyalty.models import OutboxEvent
from offers.models import Assignment, AssignmentEvent, Source, VoucherCode
from offers.selectors import voucher as bank_selectors
from offers.services import assignment, assignment_verbs, closing, extension, reissue, revocation, synchronization
from offers.services.assignment import Grant
from offers.services.verb import By
from tests.factories import ConfigOfferFactory, MemberFactory, import_codes
from tests.integrity import assert_whole
from tests.machines import drive, drive_long

pytestmark = pytest.mark.django_db
# Long ago: what `check_integrity` calls expired by the real clock may then have been let go of in every story.
START = datetime(2020, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CODES = 6
KEYS = {"once_ever": 0, "one_open": -1, "unlimited": None}


class Model:
    """What an assignment should be."""

    def __init__(self, ends_at, key, waits):
        self.ends_at, self.key = ends_at, key
        self.is_confirmed = not waits
        self.over, self.code = "", "hers"
        self.is_exposed = self.is_seen = self.is_accepted = False
        self.replaced_by = None
        self.verbs = []

    def status(self, now):
        if self.over in ("revoked", "used_up", "closed"):
            return self.over
        if self.ends_at <= now:
            return "expired"
        if not self.is_confirmed:
            return "waiting_for_till"
        return "usable" if self.is_accepted else "waiting_for_acceptance"


class Verbs(RuleBasedStateMachine):
    held = Bundle("held")

    @initialize(policy=st.sampled_from(sorted(KEYS)), waits=st.booleans())
    def begin(self, policy, waits):
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.now, self.policy, self.waits = START, policy, waits
        self.member = MemberFactory()
        self.programme = self.member.programme
        self.offer = ConfigOfferFactory(
            programme=self.programme,
            require_vouchers=True,
            to_synchronize=waits,
            repeat_policy=policy,
            terms={"acceptance": {"required": True}, "validity": {"days": 3}},
        )
        import_codes(self.offer, CODES)
        self.models = {}
        self.told = self.steps = 0

    def teardown(self):
        if hasattr(self, "savepoint"):
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    def left(self):
        """The codes that the model leaves in the bank."""
        return CODES - sum(model.code != "back" for model in self.models.values())

    def hold(self, pk):
        new = Assignment.objects.get(pk=pk)
        self.models[pk] = Model(new.ends_at, KEYS[self.policy], self.waits)
        self.told += 1

    def ours(self, pk):
        return {"programme": self.programme, "assignment_id": pk, "now": self.now}

    def over(self, pk, verb, status, *, is_freed):
        model = self.models[pk]
        model.over = status
        model.verbs.append(verb)
        if is_freed:
            model.key = None
        if not model.is_exposed:
            model.code = "back"
        self.told += 1

    @rule(target=held)
    def grant(self):
        keys = {model.key for model in self.models.values() if model.key is not None}
        open_ = any(model.key == -1 and model.ends_at > self.now for model in self.models.values())
        expected = "assigned"
        if (self.policy == "once_ever" and keys) or (self.policy == "one_open" and open_):
            expected = "already_held"
        elif self.left() == 0:
            expected = "out_of_codes"
        if self.policy == "one_open":
            # Expired holders let go, whatever becomes of the grant.
            for model in self.models.values():
                if model.key == -1 and model.ends_at <= self.now:
                    model.key = None
        [outcome] = assignment.assign(
            programme=self.programme,
            grants=[Grant(template_id=self.offer.templates.get().pk, member_id=self.member.pk)],
            source=Source.SUPPORT,
            actor=None,
            now=self.now,
        )
        assert outcome.code == expected
        if outcome.assignment_id is None:
            return multiple()
        self.hold(outcome.assignment_id)
        return outcome.assignment_id

    @rule(days=st.integers(1, 4))
    def time_passes(self, days):
        self.now += days * DAY

    @rule(pk=held)
    def confirm(self, pk):
        model = self.models[pk]
        [answer] = synchronization.synchronize(
            programme=self.programme,
            confirmations=[synchronization.Confirmation(pk)],
            by=By(Source.API),
            now=self.now,
        )
        if model.over in ("revoked", "closed"):
            assert answer.code == model.over
        elif model.is_confirmed:
            assert answer.code == "already_synchronized"
        elif model.over:
            assert answer.code == "used_up"
        else:
            assert answer.code == "synchronized"
            model.is_confirmed = True
            model.verbs.append("synchronized")
            self.told += 1

    @rule(pk=held)
    def see(self, pk):
        model = self.models[pk]
        first = assignment_verbs.mark_seen(member_id=self.member.pk, assignment_id=pk, now=self.now)
        assert first is not model.is_seen
        if first:
            model.verbs.append("seen")
        model.is_seen = True

    @rule(pk=held)
    def accept(self, pk):
        model = self.models[pk]
        status = model.status(self.now)
        answer = assignment_verbs.accept(member_id=self.member.pk, assignment_id=pk, now=self.now)
        if status == "waiting_for_acceptance":
            assert answer.code == "accepted"
            model.is_accepted = model.is_seen = True
            model.verbs.append("accepted")
            self.told += 1
        elif model.is_accepted and model.over != "revoked":
            assert answer.code == "already_accepted"
        else:
            assert answer.code == status

    @rule(pk=held)
    def expose(self, pk):
        model = self.models[pk]
        code = assignment_verbs.expose(member_id=self.member.pk, assignment_id=pk, now=self.now)
        is_shown = not model.over and model.is_confirmed and (model.is_exposed or model.ends_at > self.now)
        assert (code is not None) == is_shown
        if is_shown and not model.is_exposed:
            model.is_exposed = True
            model.verbs.append("exposed")

    @rule(pk=held, days=st.integers(-3, 9))
    def extend(self, pk, days):
        model = self.models[pk]
        ends_at = model.ends_at + days * DAY
        answer = extension.extend(**self.ours(pk), ends_at=ends_at, reason="ill", by=By())
        others = any(other.key == -1 for key, other in self.models.items() if key != pk)
        if model.over:
            assert answer.code == model.over
        elif days == 0:
            assert answer.code == "already_extended"
        elif ends_at <= self.now:
            assert answer.code == "in_the_past"
        elif days < 0:
            assert answer.code == "not_later"
        elif self.policy == "one_open" and model.key is None and others:
            assert answer.code == "already_held"
        else:
            assert answer.code == "extended"
            model.ends_at, model.key = ends_at, KEYS[self.policy]
            model.verbs.append("extended")
            self.told += 1

    @rule(pk=held)
    def revoke(self, pk):
        model = self.models[pk]
        answer = revocation.revoke(**self.ours(pk), reason="slip")
        if model.over:
            assert answer.code == {"revoked": "already_revoked"}.get(model.over, model.over)
        else:
            assert answer.code == "revoked"
            self.over(pk, "revoked", "revoked", is_freed=True)

    @rule(pk=held)
    def close(self, pk):
        model = self.models[pk]
        answer = closing.close(**self.ours(pk), reason="asked", by=By())
        status = model.status(self.now)
        if status in ("revoked", "used_up", "expired"):
            assert answer.code == status
        elif status == "closed":
            assert answer.code == "already_closed"
        else:
            assert answer.code == "closed"
            self.over(pk, "closed", "closed", is_freed=self.policy == "one_open")

    @rule(target=held, pk=held)
    def reissue(self, pk):
        model = self.models[pk]
        answer = reissue.reissue(**self.ours(pk), reason="lost", by=By())
        open_ = any(other.key == -1 and other.ends_at > self.now for key, other in self.models.items() if key != pk)
        held_ever = any(other.key == 0 for key, other in self.models.items() if key != pk)
        if model.replaced_by:
            assert (answer.code, answer.assignment_id) == ("already_reissued", model.replaced_by)
        elif model.over:
            assert answer.code == model.over
        elif open_ or held_ever:
            assert answer.code == "already_held"
        elif self.left() == 0:
            assert answer.code == "out_of_codes"
        else:
            assert answer.code == "reissued"
            if self.policy == "one_open":
                for other in self.models.values():
                    if other.key == -1 and other.ends_at <= self.now:
                        other.key = None
            self.over(pk, "reissued", "revoked", is_freed=True)
            model.replaced_by = answer.assignment_id
            self.hold(answer.assignment_id)
            return answer.assignment_id
        return multiple()

    @rule(pk=held)
    def use_up(self, pk):
        """What a till will do once it redeems: the last use sets the moment, and the code is known."""
        model = self.models[pk]
        if model.status(self.now) == "usable" and model.is_exposed:
            if model.key == -1:
                # One open at a time: she may be given the next one (D-01).
                model.key = None
            Assignment.objects.filter(pk=pk).update(used_up_at=self.now, holding_key=model.key)
            model.over = "used_up"

    @invariant()
    def the_database_agrees(self):
        if not hasattr(self, "models"):
            return
        rows = {row.pk: row for row in Assignment.objects.filter(member=self.member).select_related("voucher_code")}
        assert rows.keys() == self.models.keys()
        self.steps += 1
        if self.steps % 20 == 0:
            assert_whole()
        verbs = {}
        for pk, verb in AssignmentEvent.objects.order_by("id").values_list("assignment_id", "verb"):
            verbs.setdefault(pk, []).append(verb)
        for pk, model in self.models.items():
            row = rows[pk]
            assert row.status(self.now) == model.status(self.now)
            assert (row.holding_key, row.ends_at) == (model.key, model.ends_at)
            assert (row.voucher_code_id is None) == (model.code == "back")
            assert bool(row.voucher_code and row.voucher_code.voided_at) == bool(
                model.replaced_by and model.code == "hers"
            )
            assert rows[model.replaced_by].replaces_id == pk if model.replaced_by else True
            assert verbs.get(pk, []) == model.verbs

    @invariant()
    def no_code_is_lost_or_twice(self):
        if not hasattr(self, "models"):
            return
        bank = self.offer.voucher_bank
        given = [
            pk for pk in Assignment.objects.filter(member=self.member).values_list("voucher_code", flat=True) if pk
        ]
        assert len(given) == len(set(given))
        assert bank_selectors.codes_left(bank=bank, now=self.now) == self.left()
        assert len(given) + self.left() == CODES == VoucherCode.objects.filter(bank=bank).count()
        # What can be drawn is what no assignment has.
        drawable = set(
            VoucherCode.objects.filter(bank=bank, position__gte=F("segment__cursor")).values_list("pk", flat=True)
        )
        assert not drawable & set(given)
        assert OutboxEvent.objects.filter(config_offer_id=self.offer.pk, type__startswith="assignment.").count() == (
            self.told
        )


def test_b_06_d_01_d_10_any_order_of_verbs_agrees_with_the_model():
    """R13 (short), issue 3: the same few stories each time."""
    drive(Verbs, stories=12, steps=30)


@pytest.mark.chaos
def test_b_06_d_01_d_10_many_long_stories_of_verbs_agree_with_the_model(fault):
    """R13 (long), issue 3: other stories each time."""
    told = drive_long(Verbs, stories=50, steps=200, say=fault.say)
    fault.counted(
        "the verbs in any order, as time passes †",
        before=f"{told} stories of 200 steps",
        after="the same as a simple model, after each step",
    )
