"""What the forms choose from, and whether this process is well."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from apiflask import APIBlueprint
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop import schemas, whom
from agent_desktop.desk import desk, transaction
from tickets import catalogue
from tickets.states import REQUEST_TYPE_LABELS, URGENCY_LABELS

blueprint = APIBlueprint("catalogue", __name__, url_prefix="/api", tag="catalogue")


@blueprint.get("/catalogue")
@blueprint.output(schemas.Catalogue)
@blueprint.doc(responses=schemas.errors(401, 503))
def show() -> dict[str, Any]:
    """Trees and lists for the forms."""
    with transaction() as db:
        desk().names.read(db)
        trees = {
            "categories": catalogue.categories(db),
            "regions": catalogue.regions(db),
            "units": catalogue.units(db),
            "transfer": whom.choices(db),
        }
    names = desk().names
    return trees | {
        "queues": [{"name": name, "label": label} for name, label in names.queues.items()],
        "seats": [{"number": number, "label": label} for number, label in names.seats.items()],
        "request_types": _coded(REQUEST_TYPE_LABELS),
        "urgencies": _coded(URGENCY_LABELS),
        "reasons": [asdict(reason) for reason in names.reasons.values()],
    }


@blueprint.get("/catalogue/transfer")
@blueprint.output(schemas.TransferChoices)
@blueprint.doc(responses=schemas.errors(401, 403, 503))
def transfer() -> dict[str, Any]:
    """Whom a call can go to, with what each seat is doing now: asked for each time the dialog opens."""
    with transaction() as db:
        return whom.choices(db)


@blueprint.get("/health")
@blueprint.output(schemas.Health)
def health() -> dict[str, Any]:
    """`ok`: this process answers. Each PBX and the database are told apart; none of them makes it fail."""
    try:
        with transaction() as db:
            db.execute(text("SELECT 1"))
        database = True
    except SQLAlchemyError:
        database = False
    return {"ok": True, "links": desk().floor.links(), "database": database}


def _coded(labels: Any) -> list[dict[str, str]]:
    return [{"code": str(code), "label": label} for code, label in labels.items()]
