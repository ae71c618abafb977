"""A small fleet to begin with: what ``rota sandbox navixy`` shows."""

from __future__ import annotations

from collections.abc import Callable

from .checks import Record
from .world import Simulation


def fill(world: Simulation, call: Callable[..., Record]) -> None:
    """Add trackers, people, places, an entry and a route of entries."""
    car = world.add_tracker("Patrol car 1", id=22)
    van = world.add_tracker("Patrol car 2", id=23)
    world.add_tracker("Old phone", id=24, blocked=True)
    world.add_employee("Ana", "Reyes", id=31, tracker=car, number="G-101")
    world.add_employee("Bo", "Lindqvist", id=32, tracker=van, number="G-102")
    world.add_tag("night", id=1)
    world.add_tag("gate", id=2)
    world.add_form_template("Patrol report", id=1)
    world.add_place("Harbour gate", 33.74, -118.27, id=41, external_id="S-1")
    world.add_place("Mill yard", 34.05, -118.24, id=42, external_id="S-2")
    where = {"lat": 33.74, "lng": -118.27, "address": "1 Quay Road", "radius": 150}
    call(
        "task/schedule/create",
        schedule={
            "tracker_id": car,
            "label": "Evening round",
            "description": "Walk the fence, check the gate",
            "location": where,
            "from_time": "22:00:00",
            "duration": 480,
            "parameters": {"type": "weekdays", "weekdays": [1, 2, 3, 4, 5]},
            "tags": [1],
        },
    )
    stops = [
        {
            "label": label,
            "description": "",
            "location": where | {"lat": lat},
            "from_time": time,
            "duration": 60,
        }
        for label, lat, time in (
            ("North gate", 33.75, "06:00:00"),
            ("South gate", 33.73, "07:00:00"),
        )
    ]
    call(
        "task/schedule/route/create",
        route={
            "tracker_id": van,
            "label": "Opening tour",
            "description": "",
            "parameters": {"type": "month_days", "month_days": [1, 15]},
        },
        checkpoints=stops,
    )
