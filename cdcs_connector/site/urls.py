"""The site's addresses.

Of CDCS core, its REST interface and Django's administration are here; its own pages are not: they load scripts from
public hosts, answer errors with 200, and everything that they show has a page of the site.
"""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseNotFound
from django.urls import include, path, re_path, register_converter
from django.views.generic import RedirectView

from cdcs_connector.site import files, live, pages, rest


class SessionId:
    """A session's id in an address, as docs/adr/0001 has it."""

    regex = r"\d{8}-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-[a-z2-7]{6}"

    def to_python(self, value: str) -> str:
        """The id itself."""
        return value

    def to_url(self, value: str) -> str:
        """The id itself."""
        return value


class FileId(SessionId):
    """A file's id in an address."""

    regex = r"[a-z0-9]{1,64}"


register_converter(SessionId, "session")
register_converter(FileId, "file")


def not_built(request: HttpRequest) -> HttpResponseNotFound:
    """A page that CDCS core links to and this site does not have."""
    return HttpResponseNotFound("This site has no such page.")


urlpatterns = [
    path("", pages.home, name="core_main_app_homepage"),
    path("explore/", pages.explore, name="explore"),
    path("explore/keyword/", RedirectView.as_view(pattern_name="explore", query_string=True)),
    path("record/<session:session>", pages.record, name="record"),
    path("record/<session:session>/record.xml", pages.record_xml, name="record_xml"),
    path("record/<session:session>/live", live.changes, name="live_changes"),
    re_path(r"^data/?$", pages.data_detail, name="core_main_app_data_detail"),
    path("files/<file:file>/<int:generation>/metadata.json", files.metadata),
    path("files/<file:file>/<int:generation>/<int:index>/preview", files.preview),
    path("files/<file:file>/<int:generation>/<str:name>", files.content),
    path("login", LoginView.as_view(template_name="login.html"), name="core_main_app_login"),
    path("logout", LogoutView.as_view(), name="core_main_app_logout"),
    path("readyz", pages.ready, name="ready"),
    path("rest/scopeline/records/<session:session>", rest.record),
    path("rest/", include("core_main_app.rest.urls")),
    path("explore/keyword/rest/", include("core_explore_keyword_app.rest.urls")),
    path("explore/common/rest/", include("core_explore_common_app.rest.urls")),
    path("edit/", not_built, name="core_dashboard_edit_record"),
    path("admin/", admin.site.urls),
]
