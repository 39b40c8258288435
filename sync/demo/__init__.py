"""The airline example: its database, its traffic, and `headrace demo`, which shows the whole path alive."""
