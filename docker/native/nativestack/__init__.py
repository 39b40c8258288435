"""The native stack: the components of docker/compose.yaml as plain processes, for machines without Docker.

Reading order: cli.py (what can be asked) → lifecycle.py (up, down, one component) → layout.py (where a stack
lives) → component.py and one module per component → process.py (pids, signals) → cache.py (what is fetched
and built).
"""
