"""How Django finds the site's applications."""

from __future__ import annotations

from core_explore_common_app.apps import CoreExploreCommonAppConfig
from core_explore_keyword_app.apps import ExploreKeywordAppConfig
from django.apps import AppConfig


class Scopeline(AppConfig):
    """The site's own models, pages and commands."""

    name = "cdcs_connector.site"
    label = "scopeline_site"
    verbose_name = "Scopeline"

    def ready(self) -> None:
        """Set up Celery without a broker, the one lookup of CDCS core that SQLite lacks, and libxml2's types."""
        from cdcs_connector.site import lxml_threads, sqlite_json, task_queue

        lxml_threads.make_schema_types()
        task_queue.configure()
        sqlite_json.install()


# CDCS core's explore applications write rights and schedules into the database each time a process starts.
# `initialise` does it once instead.


class ExploreCommon(CoreExploreCommonAppConfig):
    """CDCS core's common search, without writes at the start."""

    def ready(self) -> None:
        """Write nothing."""


class ExploreKeyword(ExploreKeywordAppConfig):
    """CDCS core's keyword search, without writes at the start."""

    def ready(self) -> None:
        """Write nothing."""
