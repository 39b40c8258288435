"""MySQL as a source: what it does otherwise than MariaDB."""
