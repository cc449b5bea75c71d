"""The table of formats in the documentation, made from the registry."""

from __future__ import annotations

from scopeline.formats.registry import FORMATS, MIB, Format

HEADING = (
    "| format | extensions | reader | version | recognised by | memory | read along | remarks |",
    "|---|---|---|---|---|---|---|---|",
)


def markdown() -> str:
    """The table as Markdown, one line for each row of the registry."""
    return "\n".join([*HEADING, *(_line(row) for row in FORMATS)]) + "\n"


def _line(row: Format) -> str:
    cells = (
        row.name,
        ", ".join(f".{extension}" for extension in row.extensions),
        f"`{row.id}`",
        str(row.version),
        "content" if row.needs_magic else "content or name" if row.magic else "name",
        _memory(row),
        ", ".join(f"`{rule.companion_glob}`" for rule in row.companions) or "-",
        row.refused or row.note or "-",
    )
    return f"| {' | '.join(cells)} |"


def _memory(row: Format) -> str:
    if row.refused is not None:
        return "not read"
    return "lazy" if row.whole_limit is None else f"whole, to {row.whole_limit // MIB} MiB"
