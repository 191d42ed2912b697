"""Every address of the web server."""

from django.urls import include, path

from baro.web import views

handler400 = "baro.web.errors.bad_request"
handler403 = "baro.web.errors.forbidden"
handler404 = "baro.web.errors.not_found"
handler500 = "baro.web.errors.fault"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("", include("baro.apps.people.urls")),
    path("", include("baro.apps.release.urls")),
]
