"""The case work of a company for demonstrations: cases and staff, no tasks yet."""

from __future__ import annotations

from .sandbox_company import Company


def fill(company: Company) -> None:
    """Add a case for each site that has case work, and who works on them."""
    company.add_staff("Ann", "Okafor")
    company.add_staff("Luis", "Moreno")
    acme = company.add_client("Acme Storage")
    for name in ("Harbour Mill", "Lakeside Depot", "Battery Wharf"):
        company.add_case(name, client=acme)
