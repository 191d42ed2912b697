"""Addresses of the release room."""

from django.urls import path

from baro.apps.release import views

app_name = "release"
urlpatterns = [
    path("lots", views.lots, name="lots"),
    path("lots/<lot:lot_no>/release", views.release, name="release"),
    path("lots/<lot:lot_no>/release/sign/<str:outcome>", views.sign, name="sign"),
    path("lots/<lot:lot_no>/history", views.history, name="history"),
    path("lots/<lot:lot_no>/certificate/<str:language>.pdf", views.certificate, name="certificate"),
]
