"""Celery without a broker: CDCS core's tasks run in the process that calls them."""

from __future__ import annotations


def configure() -> None:
    """Make the Celery application that CDCS core's tasks bind to, from Django's `CELERY_` settings."""
    from celery import Celery

    app = Celery("scopeline_site")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.set_default()
