"""Lots, their verdicts, the decision and its history."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET


@require_GET
def lots(request: HttpRequest) -> HttpResponse:
    """Every lot, newest first."""
    return render(request, "web/overview.html")
