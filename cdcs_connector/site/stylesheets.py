"""Rendering records by the stylesheets in CDCS core, compiled once per version of them in each thread."""

from __future__ import annotations

from typing import Any

from core_main_app.components.template_xsl_rendering.models import TemplateXslRendering
from core_main_app.components.xsl_transformation.models import XslTransformation
from django.core.files.storage import default_storage
from django.utils.safestring import SafeString, mark_safe
from lxml import etree

from cdcs_connector.site import page_marks, record_xml
from cdcs_connector.site.lxml_threads import once_per_thread


def record_html(xml: bytes, template_id: int) -> SafeString:
    """The record as a piece of HTML, by the schema's record stylesheet (or CDCS core's own tree view without one)."""
    rendering = (
        TemplateXslRendering.objects.filter(template_id=template_id).select_related("default_detail_xslt").first()
    )
    sheet = rendering.default_detail_xslt if rendering is not None else None
    if sheet is None:
        sheet = XslTransformation.objects.get(name="Scopeline record")
    return transform(xml, compiled(sheet.file.name))


def transform(xml: bytes, sheet: Any) -> SafeString:
    """`xml` with the page's marks, by a compiled stylesheet, whose output is HTML with the record's texts escaped."""
    root = record_xml.parse(xml)
    page_marks.mark(root)
    return mark_safe(str(sheet(root)))  # noqa: S308 (the serialiser escapes)


@once_per_thread
def compiled(body_name: str) -> Any:
    """This thread's copy of the stylesheet in that stored body. A changed stylesheet has another name."""
    with default_storage.open(body_name) as file:
        return compile_sheet(file.read())


def compile_sheet(source: bytes) -> Any:
    """A stylesheet that may read and write nothing."""
    access: Any = etree.XSLTAccessControl
    return etree.XSLT(etree.fromstring(source, record_xml.hardened_parser()), access_control=access.DENY_ALL)
