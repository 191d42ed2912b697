"""Pages that bring several rooms together."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Level 1: the plant at a glance."""
    return render(request, "web/overview.html")
