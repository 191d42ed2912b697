"""Addresses of the audit trail."""

from django.urls import path

from baro.apps.ledger import views

app_name = "ledger"
urlpatterns = [
    path("audit", views.trail, name="audit"),
    path("audit/export/<str:format>", views.export, name="export"),
    path("audit/review", views.review, name="review"),
]
