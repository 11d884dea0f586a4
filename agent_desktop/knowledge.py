"""知识库 and 话术 over HTTP, for the form at hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint

from agent_desktop import schemas
from agent_desktop.calls import CITY_TIME
from agent_desktop.desk import transaction
from tickets import knowledge

blueprint = APIBlueprint("knowledge", __name__, url_prefix="/api", tag="knowledge")


@blueprint.get("/knowledge")
@blueprint.input(schemas.KnowledgeQuery, location="query", arg_name="query")
@blueprint.output(schemas.KnowledgeRows)
@blueprint.doc(responses=schemas.errors(401, 422))
def entries(query: dict[str, Any]) -> dict[str, Any]:
    """Entries for a category and those above it, or for words or pinyin initials; the best first."""
    today = datetime.now(UTC).astimezone(CITY_TIME).date()
    with transaction() as db:
        found = knowledge.find(db, query["category_id"], query["q"], today)
    return {"rows": [one.as_json() for one in found]}


@blueprint.get("/scripts")
@blueprint.input(schemas.ScriptQuery, location="query", arg_name="query")
@blueprint.output(schemas.ScriptRows)
@blueprint.doc(responses=schemas.errors(401, 422))
def scripts(query: dict[str, Any]) -> dict[str, Any]:
    """What to say in this type of call, the most specific script first."""
    with transaction() as db:
        found = knowledge.scripts(db, query["request_type"] or None, query["category_id"])
    return {
        "rows": [
            {
                "id": one.id,
                "code": one.code,
                "title": one.title,
                "request_type": one.request_type,
                "category_id": one.category_id,
                "steps": one.steps,
            }
            for one in found
        ]
    }
