"""Pipelines under fault, on the session's stack."""

from __future__ import annotations

from tests.stack.conftest import pipeline

__all__ = ["pipeline"]
