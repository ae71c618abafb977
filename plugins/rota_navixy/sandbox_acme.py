"""The fleet of a company for demonstrations: places, cars and a form, no tasks yet."""

from __future__ import annotations

from .simulation.world import Simulation


PLACES = (
    (41, "Harbour Mill", 41.8827, -87.6233, "IL-MILL", "12 Canal Street, Chicago"),
    (42, "Lakeside Depot", 41.9742, -87.6565, "IL-LAKE", "4 Lake Road, Chicago"),
    (43, "Mesa Storage", 33.4152, -111.8315, "AZ-MESA", "900 Main Street, Mesa"),
    (44, "Battery Wharf", 40.7033, -74.0170, "NY-BATT", "2 Battery Place, New York"),
)


def fill(world: Simulation) -> None:
    """Add a place a site, and a car for its day and its night post."""
    for number, name, lat, lng, code, address in PLACES:
        world.add_place(name, lat, lng, id=number, external_id=code, address=address)
        world.add_tracker(f"{name} day", id=1000 + number)
        world.add_tracker(f"{name} night", id=2000 + number)
    world.add_tracker("Spare phone", id=3001, blocked=True)
    world.add_employee("Noor", "Haddad", id=31, tracker=1041, number="E-401")
    world.add_employee("Ines", "Okafor", id=32, tracker=1042, number="E-402")
    world.add_form_template("Patrol report", id=7)
    world.add_tag("rounds", id=1)
