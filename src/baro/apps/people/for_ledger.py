"""How a person proves who they are at a signature."""

from baro.apps.ledger.signing import proves_identity
from baro.apps.people.services import reauthenticate

proves_identity(reauthenticate)
