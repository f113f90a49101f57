"""The exported rate page as a download."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from predictor.model.offer_model import OfferModel
from predictor.reports.measured_scores import accuracy_by_role
from predictor.reports.rate_page.export import exported_page_html

export_pages = APIRouter(include_in_schema=False)


@export_pages.get("/rate.html")
def exported_page(request: Request) -> Response:
    """Return the page with the current model inside, as a file."""
    model: OfferModel = request.app.state.current_model()
    headers = {"content-disposition": 'attachment; filename="rate.html"'}
    by_role = accuracy_by_role(request.app.state.settings.trainings_folder / model.name, model)
    return Response(exported_page_html(model, by_role), media_type="text/html", headers=headers)
