"""Making a site out of an empty folder, and bringing an older one up to date. Run again, it changes nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cdcs_connector.site.settings import PREFIX, BadSettings, SiteSettings, write_secret_once

PUBLISHER = "scopeline-publisher"
MAX_TOKEN = 40  # characters that the token table holds
STYLESHEETS = {"Scopeline record": "record.xsl", "Scopeline list": "list.xsl"}
XSLT_FOLDER = Path(__file__).resolve().parent / "xslt"


@dataclass(slots=True)
class Report:
    """What `initialise` did, in words; empty where everything was there."""

    done: list[str] = field(default_factory=list)


def prepare_data_folder(settings: SiteSettings) -> Report:
    """Make the data folder and the secrets in it. Needs no Django, and comes before Django is set up."""
    report = Report()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.secret_key is None and not settings.secret_key_file.is_file():
        write_secret_once(settings.secret_key_file)
        report.done.append(f"secret key made: {settings.secret_key_file}")
    if settings.publisher_token is None and not settings.publisher_token_file.is_file():
        write_secret_once(settings.publisher_token_file, secrets.token_hex(MAX_TOKEN // 2))
        report.done.append(f"publisher's token made: {settings.publisher_token_file}")
    return report


def initialise(settings: SiteSettings) -> Report:
    """Migrate the database, then make or update what the site needs in it, in one transaction."""
    from django.db import transaction

    report = Report()
    migrations = _migrate(report)
    with transaction.atomic():
        _rights(settings, report)
        _publisher(settings, report)
        template = _schema(settings, report)
        _stylesheets(template, report)
        _search_operators(report)
        _address(settings, report)
        _finish(migrations)
    return report


def _migrate(report: Report) -> str:
    """Run what migrations are left, and all that Django does after them; says which set of migrations is there now.

    A run that was killed between the last migration and the end of what comes after leaves none pending: `Preparation`
    tells of it.
    """
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from cdcs_connector.site.models import Preparation

    executor = MigrationExecutor(connection)
    last = executor.loader.graph.leaf_nodes()
    pending = executor.migration_plan(last)
    migrations = sha256(repr(sorted(last)).encode()).hexdigest()
    if pending or not Preparation.objects.filter(migrations=migrations).exists():
        call_command("migrate", interactive=False, verbosity=0)
        report.done.append(f"database migrated: {len(pending)} steps")
    return migrations


def _finish(migrations: str) -> None:
    from cdcs_connector.site.models import Preparation

    if not Preparation.objects.filter(migrations=migrations).exists():
        Preparation.objects.all().delete()
        Preparation.objects.create(migrations=migrations)


def _rights(settings: SiteSettings, report: Report) -> None:
    """The public workspace, and who may search: signed-in people always, anybody where the setting says so."""
    from core_explore_keyword_app.permissions.rights import EXPLORE_KEYWORD_ACCESS
    from core_main_app.components.workspace import api as workspace_api
    from core_main_app.components.workspace.models import Workspace
    from core_main_app.permissions.rights import ANONYMOUS_GROUP, DEFAULT_GROUP
    from django.contrib.auth.models import Group, Permission

    if not Workspace.objects.filter(owner=None, is_public=True).exists():
        workspace_api.create_and_save("Global Public Workspace", is_public=True)
        report.done.append("public workspace made")
    search = Permission.objects.get(codename=EXPLORE_KEYWORD_ACCESS)
    for name, allowed in ((DEFAULT_GROUP, True), (ANONYMOUS_GROUP, settings.anonymous)):
        group, _ = Group.objects.get_or_create(name=name)
        if allowed != group.permissions.filter(pk=search.pk).exists():
            (group.permissions.add if allowed else group.permissions.remove)(search)
            report.done.append(f"group {name}: search {'allowed' if allowed else 'withdrawn'}")


def _publisher(settings: SiteSettings, report: Report) -> None:
    """The user that the back end publishes as; its token is the given one or the data folder's."""
    from django.contrib.auth.models import Permission, User
    from rest_framework.authtoken.models import Token

    given = settings.publisher_token.get_secret_value() if settings.publisher_token else None
    key = given or write_secret_once(settings.publisher_token_file)
    if not 20 <= len(key) <= MAX_TOKEN:
        raise BadSettings(f"{PREFIX}PUBLISHER_TOKEN: {len(key)} characters; expected 20 to {MAX_TOKEN}.")
    user, created = User.objects.get_or_create(username=PUBLISHER, defaults={"password": "!"})
    if created:
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="scopeline_site"))
        report.done.append(f"user {PUBLISHER} made")
    if not Token.objects.filter(user=user, key=key).exists():
        Token.objects.filter(user=user).delete()
        Token.objects.create(user=user, key=key)
        report.done.append("publisher's token set")


def _administrator_request() -> Any:
    """A request of an administrator who is never stored: CDCS core asks who makes a schema for all."""
    from django.contrib.auth.models import User
    from django.http import HttpRequest

    request = HttpRequest()
    request.user = User(username="initialise", is_staff=True, is_superuser=True)
    return request


def _schema(settings: SiteSettings, report: Report) -> Any:
    """The record schema as CDCS core's current template; a changed schema becomes a new version of it."""
    from core_main_app.components.template.models import Template
    from core_main_app.components.template_version_manager import api as versions_api
    from core_main_app.components.template_version_manager.models import TemplateVersionManager
    from core_main_app.components.version_manager import api as version_api

    from cdcs_connector.site.publishing import TEMPLATE_TITLE

    try:
        content = settings.schema_file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"{PREFIX}SCHEMA: cannot read {settings.schema_file}: {error.strerror}.") from None
    current = Template.objects.filter(version_manager__title=TEMPLATE_TITLE, is_current=True).first()
    if current is not None and current.content == content:
        return current
    request = _administrator_request()
    manager = current.version_manager if current is not None else TemplateVersionManager(title=TEMPLATE_TITLE)
    template = Template(filename="nexus-experiment.xsd", content=content)
    versions_api.insert(manager, template, request=request)
    if current is not None:
        version_api.set_current(template, request=request)
    report.done.append(f"schema: {template.display_name}")
    return template


def _stylesheets(template: Any, report: Report) -> None:
    """The list and record stylesheets, bound to the current schema."""
    from core_main_app.components.template_xsl_rendering import api as rendering_api
    from core_main_app.components.template_xsl_rendering.models import TemplateXslRendering
    from core_main_app.components.xsl_transformation import api as xslt_api
    from core_main_app.components.xsl_transformation.models import XslTransformation
    from django.core.files.storage import default_storage

    sheets = {}
    for name, filename in STYLESHEETS.items():
        content = (XSLT_FOLDER / filename).read_text(encoding="utf-8")
        sheet = XslTransformation.objects.filter(name=name).first()
        if sheet is None or sheet.content != content:
            before = sheet.file.name if sheet is not None else None
            sheet = sheet or XslTransformation(name=name)
            # The stored body's name changes with the content, so that no process goes on with a compiled older one.
            sheet.filename = f"{sha256(content.encode()).hexdigest()[:12]}-{filename}"
            sheet.content = content
            xslt_api.upsert(sheet)
            if before:
                default_storage.delete(before)
                XslTransformation.objects.filter(pk=sheet.pk).update(file_history=[])
            report.done.append(f"stylesheet: {name}")
        sheets[name] = sheet
    detail, row = sheets["Scopeline record"], sheets["Scopeline list"]
    bound = TemplateXslRendering.objects.filter(template=template, list_xslt=row, default_detail_xslt=detail)
    if not bound.exists():
        rendering_api.upsert(template, row, detail, [detail])
        report.done.append("stylesheets bound to the schema")


def _search_operators(report: Report) -> None:
    """Names for parts of a record in CDCS core's keyword search."""
    from core_explore_keyword_app.components.search_operator import api as operators_api
    from core_explore_keyword_app.components.search_operator.models import SearchOperator

    for name, xpath in (
        ("title", "/Experiment/title"),
        ("instrument", "/Experiment/summary/instrument"),
        ("experimenter", "/Experiment/summary/experimenter"),
        ("sample", "/Experiment/sample/name"),
    ):
        if not SearchOperator.objects.filter(name=name).exists():
            operators_api.upsert(SearchOperator(name=name, xpath_list=[xpath]))
            report.done.append(f"search operator: {name}")


def _address(settings: SiteSettings, report: Report) -> None:
    from urllib.parse import urlsplit

    from django.contrib.sites.models import Site

    domain = urlsplit(settings.server_uri).netloc
    if (
        Site.objects.filter(pk=1)
        .exclude(domain=domain)
        .update(domain=domain, name=(settings.facility or "Scopeline")[:50])
    ):
        report.done.append(f"address: {settings.server_uri}")
