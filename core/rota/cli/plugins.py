"""``rota plugins``."""

from __future__ import annotations

import rich_click as click

from rota.plugins import survey

from .printing import json_option, paragraph, tell, tell_json


@click.command("plugins")
@json_option
def command(as_json: bool) -> int:
    """List what is installed, and blame what is broken; runs whatever is wrong."""
    found = survey()
    if as_json:
        tell_json(
            [
                {
                    "name": plugin.name,
                    "origin": plugin.origin,
                    "vendors": [vendor.name for vendor in plugin.vendors],
                    "transforms": [each.name for each in plugin.transforms],
                    "trouble": plugin.fault or plugin.broken,
                }
                for plugin in found
            ]
        )
    for plugin in () if as_json else found:
        brings = ", ".join(
            [f"vendor {v.name}" for v in plugin.vendors]
            + [f"transform {t.name}" for t in plugin.transforms]
        )
        tell(paragraph(f"{plugin.name:<14} {plugin.origin}", 2, 17))
        tell(paragraph(brings or "brings nothing", 17))
        if plugin.fault or plugin.broken:
            tell(paragraph(plugin.fault or plugin.broken, 17))
    return 2 if any(plugin.fault or plugin.broken for plugin in found) else 0
