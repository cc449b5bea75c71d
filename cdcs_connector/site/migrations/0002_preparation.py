"""What tells whether the site was made ready to its end."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """The table of preparations."""

    dependencies: ClassVar = [("scopeline_site", "0001_initial")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Preparation",
            fields=[("migrations", models.CharField(max_length=64, primary_key=True, serialize=False))],
        ),
    ]
