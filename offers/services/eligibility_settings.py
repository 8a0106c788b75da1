"""Setting whom an offer may be given to: a saved audience as it is now, or conditions of the offer's own. (S0-02)"""

from typing import Any

from django.utils.translation import gettext as _

from loyalty.database import in_transaction
from loyalty.errors import InvalidInput
from loyalty.models import ApiClient, User
from loyalty.services import audit
from offers.models import Audience, ConfigOffer, Targeting, TargetingVersion
from offers.selectors import targeting as targeting_selector
from offers.services import module
from offers.services.problem import problem


def put(
    *, offer: ConfigOffer, targeting: Targeting | None, actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Ask from now on that members are in this audience, as it is now; None asks nothing.

    Later versions of the audience count when it is chosen again. Raises InvalidInput for an offer for everyone or an
    audience that is not one of the programme's in use, OffersModuleOff. (S0-02, S4-26)
    """
    module.require(programme=offer.programme)
    found = [] if targeting is None else _problems(offer)
    if targeting is not None and not _is_known(targeting, offer):
        found.append(problem("targeting", "unknown_targeting", _("There is no such audience.")))
    if found:
        raise InvalidInput(found[0]["message"], problems=found)
    version = targeting.current_version if targeting else None
    return in_transaction(lambda: _choose(offer, version, actor, api_client))


def put_conditions(
    *, offer: ConfigOffer, criteria: Any, actor: User | None, api_client: ApiClient | None = None
) -> ConfigOffer:
    """Ask from now on that members meet these criteria, which are this offer's own and nobody else's audience.

    They are kept in versions like any criteria, and name audiences as those are now. Raises targeting.InvalidCriteria
    with every problem of the tree, InvalidInput for an offer for everyone, OffersModuleOff. (S0-02)
    """
    module.require(programme=offer.programme)
    if found := _problems(offer):
        raise InvalidInput(found[0]["message"], problems=found)
    checked = targeting_selector.as_now(criteria, programme=offer.programme).data()

    def work() -> ConfigOffer:
        # The offer's row orders two who set its conditions, so that each version's number is given once.
        ConfigOffer.objects.select_for_update(no_key=True).get(pk=offer.pk)
        own, _is_new = Targeting.objects.select_related("current_version").get_or_create(
            config_offer=offer,
            defaults={"programme": offer.programme, "name": f"Conditions of {offer.offer_reference}", "owner": actor},
        )
        current = own.current_version
        if current is None or current.criteria != checked:
            number = current.number + 1 if current else 1
            current = TargetingVersion.objects.create(targeting=own, number=number, criteria=checked, created_by=actor)
            own.current_version = current
            own.save(update_fields=["current_version", "updated_at"])
        return _choose(offer, current, actor, api_client)

    return in_transaction(work)


def _problems(offer: ConfigOffer) -> list[dict[str, Any]]:
    if offer.audience != Audience.EVERYONE:
        return []
    message = _("An offer for everyone is never assigned, so it has nobody to choose from.")
    return [problem("eligibility", "offer_is_for_everyone", message)]


def _is_known(targeting: Targeting, offer: ConfigOffer) -> bool:
    return (
        targeting.programme_id == offer.programme_id
        and targeting.current_version is not None
        and targeting.archived_at is None
        and targeting.config_offer_id in (None, offer.pk)
    )


def _choose(
    offer: ConfigOffer, version: TargetingVersion | None, actor: User | None, api_client: ApiClient | None
) -> ConfigOffer:
    rows = ConfigOffer.objects.select_for_update(no_key=True, of=["self"])
    locked = rows.select_related("eligibility__targeting").get(pk=offer.pk)
    if locked.eligibility_id == (version.pk if version else None):
        return locked
    before = locked.eligibility
    locked.eligibility = version
    locked.save(update_fields=["eligibility", "updated_at"])
    audit.record(
        action="offer.eligibility_set",
        actor=actor,
        api_client=api_client,
        programme=locked.programme,
        target=locked,
        data={"changed": {"eligibility": [_told(before), _told(version)]}},
    )
    return locked


def _told(version: TargetingVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "targeting": version.targeting_id,
        "name": version.targeting.name,
        "version": version.number,
        "is_own": version.targeting.config_offer_id is not None,
    }
