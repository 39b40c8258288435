"""PostgreSQL as a source: its catalogue, what it must offer, and what Headrace makes inside it."""
