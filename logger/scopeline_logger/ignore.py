"""Names that are never sent: caches, locks and half-written files of other programs."""

import fnmatch
import re

# The server's default list too; used here until the server has told what it wants.
DEFAULT = (
    "*.db",
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.lock",
    "*.lck",
    "*.lnk",
    "*.swp",
    "*~",
    "~$*",
    "._*",
    ".DS_Store",
    ".Trash*",
    ".scopeline*",
    "desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
)


class IgnoreList:
    """Shell patterns, without regard to case. One with `/` is for the path under the root, any other for a name."""

    def __init__(self, patterns: "list[str]") -> None:
        self._names = _one_expression([p for p in patterns if "/" not in p])
        self._paths = _one_expression([p for p in patterns if "/" in p])

    def matches(self, path: str, name: str) -> bool:
        """Whether the file or folder `name` at `path` (`/` between segments) is to be left alone."""
        return bool(
            (self._names is not None and self._names.match(name.lower()))
            or (self._paths is not None and self._paths.match(path.lower()))
        )


def _one_expression(patterns: "list[str]") -> "re.Pattern[str] | None":
    if not patterns:
        return None
    return re.compile("|".join("(?:%s)" % fnmatch.translate(p.lower()) for p in patterns))
