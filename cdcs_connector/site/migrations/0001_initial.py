"""The tables of the first version."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core_main_app", "0014_data_processing_module"),
    ]

    operations = [
        migrations.CreateModel(
            name="StoredBody",
            fields=[
                ("name", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("body", models.BinaryField()),
                ("stored_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="PublishedRecord",
            fields=[
                ("session", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField()),
                ("input_hash", models.CharField(max_length=200)),
                ("published_at", models.DateTimeField()),
                ("title", models.TextField()),
                ("instrument", models.TextField(blank=True)),
                ("people", models.TextField(blank=True)),
                ("started", models.CharField(blank=True, max_length=40)),
                ("started_at", models.DateTimeField(null=True)),
                ("datasets", models.PositiveIntegerField(default=0)),
                ("attention", models.PositiveIntegerField(default=0)),
                ("types", models.JSONField(default=list)),
                ("samples", models.JSONField(default=list)),
                ("project", models.TextField(blank=True)),
                ("motivation", models.TextField(blank=True)),
                ("thumbnails", models.JSONField(default=list)),
                ("search_text", models.TextField(blank=True)),
                (
                    "data",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="scopeline", to="core_main_app.data"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecordFile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file", models.CharField(db_index=True, max_length=64)),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="scopeline_site.publishedrecord",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="publishedrecord",
            index=models.Index(fields=["-started_at", "session"], name="scopeline_s_started_604433_idx"),
        ),
        migrations.AddConstraint(
            model_name="recordfile",
            constraint=models.UniqueConstraint(fields=("record", "file"), name="one_row_per_file"),
        ),
    ]
