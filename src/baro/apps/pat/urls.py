"""Addresses of the PAT room."""

from django.urls import path

from baro.apps.pat.pages import data, methods, searches, transfers

app_name = "pat"
urlpatterns = [
    path("pat", methods.methods, name="methods"),
    path("pat/methods/new", methods.new, name="new-method"),
    path("pat/methods/<slug:code>", methods.method, name="method"),
    path("pat/methods/<slug:code>/criteria", methods.criteria, name="criteria"),
    path("pat/methods/<slug:code>/scope", methods.scope, name="scope"),
    path("pat/methods/<slug:code>/retire", methods.retire, name="retire-method"),
    path("pat/methods/<slug:code>/change", methods.request_change, name="request-change"),
    path("pat/methods/<slug:code>/search", searches.start, name="start-search"),
    path("pat/changes/<uuid:change_id>/approve", methods.approve_change, name="approve-change"),
    path("pat/changes/<uuid:change_id>/refuse", methods.refuse_change, name="refuse-change"),
    path("pat/data-sets", data.data_sets, name="data-sets"),
    path("pat/data-sets/new", data.new, name="new-data-set"),
    path("pat/data-sets/new/look", data.look, name="look-at-upload"),
    path("pat/data-sets/new/record", data.record, name="record-data-set"),
    path("pat/data-sets/<slug:code>", data.data_set, name="data-set"),
    path("pat/data-sets/<slug:code>/samples.json", data.samples, name="data-set-samples"),
    path("pat/data-sets/<slug:code>/spectra.bin", data.spectra, name="data-set-spectra"),
    path("pat/data-sets/<slug:code>/freeze", data.freeze, name="freeze-data-set"),
    path("pat/data-sets/<slug:code>/look", data.look_at_references, name="look-at-references"),
    path("pat/data-sets/<slug:code>/exclude", data.exclude, name="exclude-sample"),
    path("pat/searches/<uuid:search_id>", searches.search, name="search"),
    path("pat/searches/<uuid:search_id>/now", searches.now, name="search-now"),
    path("pat/searches/<uuid:search_id>/stop", searches.stop, name="stop-search"),
    path("pat/searches/<uuid:search_id>/resume", searches.resume, name="resume-search"),
    path("pat/searches/<uuid:search_id>/build", searches.build, name="build-model"),
    path("pat/transfers", transfers.transfers, name="transfers"),
    path("pat/transfers/new", transfers.new, name="new-transfer"),
    path("pat/transfers/new/compare", transfers.compare, name="compare-transfers"),
    path("pat/transfers/new/draft", transfers.draft, name="draft-transfer"),
    path("pat/transfers/<uuid:transfer_id>", transfers.transfer, name="transfer"),
    path("pat/transfers/<uuid:transfer_id>/build", transfers.build, name="build-transferred"),
    path("pat/transfers/<uuid:transfer_id>/give-up", transfers.give_up, name="give-up-transfer"),
]
