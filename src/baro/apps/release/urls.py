"""Addresses of the release room."""

from django.urls import path

from baro.apps.release import archive_views, late_views, review_views, views

app_name = "release"
urlpatterns = [
    path("lots", views.lots, name="lots"),
    path("lots/<lot:lot_no>/release", views.release, name="release"),
    path("lots/<lot:lot_no>/release/sign/<str:outcome>", views.sign, name="sign"),
    path("lots/<lot:lot_no>/history", views.history, name="history"),
    path("late", late_views.late, name="late"),
    path("late/<uuid:arrival_id>", late_views.acknowledge, name="acknowledge-late"),
    path("reviews", review_views.reviews, name="reviews"),
    path("reviews/sign", review_views.sign_reviews, name="sign-reviews"),
    path("archive", archive_views.archive, name="archive"),
    path("archive/imported/<uuid:package_id>.zip", archive_views.imported, name="imported"),
    path("archive/rule", archive_views.rule, name="rule"),
    path("archive/hold/<lot:lot_no>", archive_views.place, name="place-hold"),
    path("archive/lift/<uuid:hold_id>", archive_views.lift, name="lift-hold"),
    path("lots/<lot:lot_no>/certificate/<str:language>.pdf", views.certificate, name="certificate"),
]
