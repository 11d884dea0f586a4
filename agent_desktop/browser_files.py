"""The built browser application: hashed assets for ever, the page itself never from a cache."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_from_directory
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agent_desktop.desk import desk
from agent_desktop.errors import Refusal

blueprint = Blueprint("web", __name__)
DIST = Path(__file__).resolve().parent / "web" / "dist"
NOT_BUILT = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>12345</title>
<h1>浏览器应用尚未构建</h1><p>请在项目目录运行 <code>make run</code>，构建完成后刷新本页。</p>
<p>The browser application has not been built: run <code>make run</code>, then reload.</p></html>"""


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus figures, for this machine only."""
    if not ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:
        abort(404)
    return Response(generate_latest(desk().figures.registry), content_type=CONTENT_TYPE_LATEST)


@blueprint.route("/api/", defaults={"path": ""}, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@blueprint.route("/api/<path:path>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def no_such_api(path: str) -> Response:
    raise Refusal("not_found")


@blueprint.get("/citizen")
def citizen_page() -> Response:
    """The demonstration page that calls 12345; nothing is there where it is not wanted."""
    if not desk().settings.has_citizen_page or not (DIST / "citizen.html").is_file():
        abort(404)
    response = send_from_directory(DIST, "citizen.html")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/", defaults={"path": ""})
@blueprint.get("/<path:path>")
def page(path: str) -> Response:
    """A file of the build; every other path is a page of the application, which has its own router."""
    if path == "citizen.html":
        abort(404)
    if path and "\x00" not in path and (DIST / path).is_file():
        response = send_from_directory(DIST, path)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response
    if path.startswith("assets/"):
        abort(404)
    if not (DIST / "index.html").is_file():
        return Response(NOT_BUILT, status=503, content_type="text/html; charset=utf-8")
    response = send_from_directory(DIST, "index.html")
    response.headers["Cache-Control"] = "no-cache"
    return response
