"""Training jobs and the browser session they belong to."""

from __future__ import annotations


def renew_lease() -> None:
    """placeholder"""
