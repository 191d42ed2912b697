"""Addresses of the people room."""

from django.urls import path

from baro.apps.people import provider_views, views
from baro.apps.people.account import actions, factors, pages
from baro.apps.people.rights import provider_views as trust
from baro.apps.people.rights import review_views as reviews
from baro.apps.people.rights import views as rights

app_name = "people"
urlpatterns = [
    path("sign-in", views.sign_in, name="sign-in"),
    path("sign-in/second", views.second_step, name="second-step"),
    path("sign-in/passkey/begin", views.passkey_begin, name="sign-in-passkey-begin"),
    path("sign-in/passkey", views.passkey, name="sign-in-passkey"),
    path("sign-in/back", provider_views.back, name="provider-back"),
    path("sign-in/with/<slug:company>/<slug:provider>", provider_views.begin, name="provider"),
    path("sign-out", views.sign_out, name="sign-out"),
    path("language", views.language, name="language"),
    path("account", pages.account, name="account"),
    path("account/session", pages.session, name="session"),
    path("account/password", actions.password, name="password"),
    path("account/sessions", actions.end_sessions, name="end-sessions"),
    path("account/tokens", actions.make_token, name="make-token"),
    path("account/tokens/<uuid:token_id>", actions.revoke_token, name="revoke-token"),
    path("account/totp", factors.totp, name="totp"),
    path("account/factors", factors.change, name="change-factors"),
    path("account/passkeys/begin", factors.passkey_begin, name="passkey-begin"),
    path("account/passkeys", factors.passkey, name="passkey"),
    path("attempts", pages.attempts, name="attempts"),
    path("people", rights.people, name="people"),
    path("people/new", rights.new_person, name="new-person"),
    path("people/<uuid:user_id>", rights.person, name="person"),
    path("people/<uuid:user_id>/request/<str:kind>", rights.request_dialog, name="request"),
    path("people/<uuid:user_id>/sessions", rights.end_sessions_dialog, name="person-sessions"),
    path("people/<uuid:user_id>/conflicts", rights.conflict, name="conflict"),
    path("people/providers", trust.providers, name="providers"),
    path("people/providers/new", trust.new_provider, name="new-provider"),
    path("people/providers/<uuid:provider_id>/approve", trust.approve, name="approve-provider"),
    path("people/providers/end/<str:what>/<uuid:key>", trust.end, name="end-trust"),
    path("people/reviews", reviews.reviews, name="reviews"),
    path("people/reviews/new", reviews.open_review, name="open-review"),
    path("people/reviews/<uuid:review_id>", reviews.review, name="review"),
    path("people/reviews/<uuid:review_id>/sign", reviews.sign_review, name="sign-review"),
    path("people/reviews/lines/<uuid:line_id>", reviews.decide_line, name="decide-line"),
    path("people/requests/<uuid:change_id>/withdraw", rights.withdraw_dialog, name="withdraw"),
    path("people/requests/<uuid:change_id>/<str:answer>", rights.decide, name="decide"),
]
