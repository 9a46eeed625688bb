"""Configurations: their schema, those that come with popnas, and their mistakes."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from popnas.server.answers import Checked, ConfigToCheck, Document, Preset
from popnas.server.configurations import presets, with_own_places
from popnas.server.routes._base import Parts

router = APIRouter(tags=["configuration"])


@router.get("/config/schema", response_model=Document)
def schema(parts: Parts) -> Response:
    """The JSON Schema of configurations, with the names of the parts that are installed."""
    return Response(parts.checker.schema(), media_type="application/json")


@router.get("/config/presets")
def list_presets() -> list[Preset]:
    """The configurations that come with popnas; partial ones are for the stages after a search."""
    return presets()


@router.post("/config/check")
def check(asked: ConfigToCheck, parts: Parts) -> Checked:
    """All mistakes of a configuration at once, and what of it has no effect."""
    settings = parts.settings
    return parts.checker.check(with_own_places(asked.config, settings.data_roots, settings.root))
