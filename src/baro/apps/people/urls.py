"""Addresses of the people room."""

from django.urls import path

from baro.apps.people import views
from baro.apps.people.rights import views as rights

app_name = "people"
urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("language", views.language, name="language"),
    path("people", rights.people, name="people"),
    path("people/new", rights.new_person, name="new-person"),
    path("people/<uuid:user_id>", rights.person, name="person"),
    path("people/<uuid:user_id>/request/<str:kind>", rights.request_dialog, name="request"),
    path("people/<uuid:user_id>/conflicts", rights.conflict, name="conflict"),
    path("people/requests/<uuid:change_id>/withdraw", rights.withdraw_dialog, name="withdraw"),
    path("people/requests/<uuid:change_id>/<str:answer>", rights.decide, name="decide"),
]
