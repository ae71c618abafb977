"""
The account behind the sandbox: what it holds, and what time does to it.

Written from the vendor's documentation with plain ``datetime`` and ``zoneinfo``, and
with none of the adapter's code: comparing with it is a second opinion. Records are
dictionaries in the vendor's own words; moments are aware datetimes until shown.
"""
