"""Every address of the web server."""

from django.urls import include, path

from baro.apps.release import addresses  # noqa: F401 - makes the converter `lot` known
from baro.web import views
from baro.web.api import api
from baro.web.live import views as live

handler400 = "baro.web.errors.bad_request"
handler403 = "baro.web.errors.forbidden"
handler404 = "baro.web.errors.not_found"
handler500 = "baro.web.errors.fault"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("now", views.overview_now, name="overview-now"),
    path("", include("baro.apps.people.urls")),
    path("lots/<lot:lot_no>", views.lot, name="lot"),
    path("lots/<lot:lot_no>/state.json", live.live_state, name="lot-state"),
    path("lots/<lot:lot_no>/stream", live.stream, name="lot-stream"),
    path("", include("baro.apps.plant.urls")),
    path("", include("baro.apps.pat.urls")),
    path("", include("baro.apps.pat.model_urls")),
    path("", include("baro.apps.pat.upkeep_urls")),
    path("", include("baro.apps.release.urls")),
    path("", include("baro.apps.ledger.urls")),
    path("", include("baro.apps.ledger.log.urls")),
    path("api/v1/", api.urls),
]
