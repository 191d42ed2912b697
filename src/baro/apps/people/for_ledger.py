"""How a person proves who they are at a signature, and what of the people room is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, proves_identity, signable
from baro.apps.people.models import AccessReview, IdentityProvider, RightsChange
from baro.apps.people.providers import provider_content
from baro.apps.people.rights.decisions import change_content, decision_content
from baro.apps.people.rights.reviews import review_content
from baro.apps.people.services import reauthenticate


def _change(record_id: UUID, signature: Signature | None) -> Content | None:
    wanted = RightsChange.objects.select_related("user").filter(id=record_id).first()
    if wanted is None:
        return None
    return decision_content(wanted) if signature else change_content(wanted)


def _review(record_id: UUID, signature: Signature | None) -> Content | None:
    review = AccessReview.objects.filter(id=record_id).first()
    return review and review_content(review)


def _provider(record_id: UUID, signature: Signature | None) -> Content | None:
    provider = IdentityProvider.objects.filter(id=record_id).first()
    return provider and provider_content(provider)


proves_identity(reauthenticate)
signable("people.IdentityProvider", _("identity provider"), _provider)
signable("people.RightsChange", _("change of rights"), _change)
signable("people.AccessReview", _("access review"), _review)
