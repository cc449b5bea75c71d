"""The site's own tables, beside those of CDCS core."""

from __future__ import annotations

from datetime import datetime

from django.db import models

TYPE_NAMES = {"SpectrumImage": "Spectrum image", "Misc": "Other", "Unknown": "Not read"}


class StoredBody(models.Model):
    """The bytes of a file that CDCS core stores: a record's XML, a schema, a stylesheet."""

    name = models.CharField(max_length=250, primary_key=True)
    body = models.BinaryField()
    stored_at = models.DateTimeField(auto_now=True)


class PublishedRecord(models.Model):
    """A session's record: which CDCS record it is, and what lists and searches show of it.

    The facts (title to thumbnails) are read from the XML when it is published, so that no list parses XML.
    """

    session = models.CharField(max_length=80, primary_key=True)
    data = models.OneToOneField("core_main_app.Data", on_delete=models.CASCADE, related_name="scopeline")
    version = models.PositiveIntegerField()
    input_hash = models.CharField(max_length=200)
    published_at = models.DateTimeField()

    title = models.TextField()
    instrument = models.TextField(blank=True)
    people = models.TextField(blank=True)
    started = models.CharField(max_length=40, blank=True)  # ISO 8601 as in the record, with the instrument's offset
    started_at = models.DateTimeField(null=True)
    datasets = models.PositiveIntegerField(default=0)
    attention = models.PositiveIntegerField(default=0)  # datasets that need a look
    types = models.JSONField(default=list)  # [[dataset type, count], ...]
    samples = models.JSONField(default=list)
    project = models.TextField(blank=True)
    motivation = models.TextField(blank=True)
    thumbnails = models.JSONField(default=list)  # site-relative preview addresses
    search_text = models.TextField(blank=True)  # case-folded

    class Meta:
        """The list shows the newest sessions first."""

        indexes = [models.Index(fields=["-started_at", "session"])]  # noqa: RUF012

    @property
    def day(self) -> datetime | None:
        """When the session began, at the instrument's offset."""
        return datetime.fromisoformat(self.started) if self.started_at is not None else None

    @property
    def type_chips(self) -> list[str]:
        """The dataset types and how many there are of each, in words."""
        return [f"{TYPE_NAMES.get(name, name)} {count}" for name, count in self.types]


class RecordFile(models.Model):
    """A file that a published record shows: who may read the record may read the file."""

    record = models.ForeignKey(PublishedRecord, on_delete=models.CASCADE, related_name="files")
    file = models.CharField(max_length=64, db_index=True)

    class Meta:
        """A record names a file once."""

        constraints = [models.UniqueConstraint(fields=["record", "file"], name="one_row_per_file")]  # noqa: RUF012


class Preparation(models.Model):
    """The set of migrations that `init` finished for, with all that Django makes after them (rights, content types)."""

    migrations = models.CharField(max_length=64, primary_key=True)  # SHA-256 of the last one of every application
