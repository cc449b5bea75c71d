"""The logger's settings: one INI file that a technician writes. A bad one stops with name, value and expectation."""

import configparser
import os
import re
import stat
import sys
from urllib.parse import urlsplit

from scopeline_logger.errors import WrongUse

KIB = 1024
MIB = 1024 * KIB
CHUNK_UNIT = 256 * KIB

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")
_TOKEN = re.compile(r"sl_[^_\s]+_\S+$")

_KNOWN = {
    "server": ("url", "token", "token_file", "ca_file", "proxy", "timeout"),
    "logger": (
        "instrument",
        "data_folder",
        "stability",
        "poll",
        "grace",
        "chunk_mib",
        "without_session",
        "ignore",
    ),
}

EXAMPLE = """[server]
url = https://scopeline.example.org
token_file = token.txt

[logger]
instrument = titan

[roots]
data = D:\\Data
"""


class Settings:
    """Every setting, checked. Times are in seconds, sizes in bytes, folders absolute."""

    def __init__(self, config: str) -> None:
        reader = _Reader(config)
        self.config = reader.path
        self.url = reader.url("server", "url", required=True)
        self.token = reader.token()
        self.ca_file = reader.file("server", "ca_file")
        self.proxy = reader.url("server", "proxy")
        self.timeout = reader.number("server", "timeout", 60.0, 1, 3600)
        self.instrument = reader.slug("logger", "instrument")
        self.data_folder = reader.folder("logger", "data_folder", os.path.dirname(self.config))
        self.stability = reader.number("logger", "stability", 10.0, 0, 3600)
        self.poll = reader.number("logger", "poll", 5.0, 0.05, 3600)
        self.grace = reader.number("logger", "grace", 30.0, 0, 3600)
        self.chunk = reader.chunk("logger", "chunk_mib", 8 * MIB)
        self.send_without_session = reader.choice("logger", "without_session", ("send", "skip")) == "send"
        self.ignore = reader.words("logger", "ignore")
        self.roots = reader.roots()
        reader.check_apart(self.data_folder, self.roots)

    @property
    def database(self) -> str:
        """The file of the queue."""
        return os.path.join(self.data_folder, "logger.sqlite3")

    @property
    def lock(self) -> str:
        """The file that the running `sync` holds."""
        return os.path.join(self.data_folder, "sync.lock")


def default_config() -> str:
    """Where the settings are when nothing is said: SCOPELINE_LOGGER_CONFIG, or this user's data folder."""
    named = os.environ.get("SCOPELINE_LOGGER_CONFIG")
    if named:
        return named
    return os.path.join(_user_data_folder(), "scopeline-logger", "logger.ini")


def _user_data_folder() -> str:
    home = os.path.expanduser("~")
    if os.name == "nt":
        # Windows XP has no LOCALAPPDATA.
        return os.environ.get("LOCALAPPDATA") or os.environ.get("APPDATA") or home
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    return os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")


class _Reader:
    """The file's text, and one method for each kind of setting."""

    def __init__(self, config: str) -> None:
        self.path = os.path.abspath(config)
        self._values = configparser.ConfigParser(
            interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), default_section="\0"
        )
        try:
            # utf-8-sig: Notepad puts a byte order mark before UTF-8.
            with open(self.path, encoding="utf-8-sig") as file:
                self._values.read_file(file)
        except FileNotFoundError:
            raise WrongUse("There is no settings file %s. Write one like this:\n\n%s" % (self.path, EXAMPLE))
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            raise WrongUse("The settings file %s cannot be read: %s" % (self.path, _one_line(error)))
        self._check_names()

    def _check_names(self) -> None:
        for section in self._values.sections():
            if section == "roots":
                continue
            if section not in _KNOWN:
                raise self._bad("[%s]" % section, section, "one of the sections [server], [logger] and [roots]")
            for name in self._values.options(section):
                if name not in _KNOWN[section]:
                    raise self._bad(name, self._values.get(section, name), "one of: " + ", ".join(_KNOWN[section]))

    def _bad(self, name: str, value: str, expected: str) -> WrongUse:
        return WrongUse("Setting %s is %r in %s. Expected: %s." % (name, value, self.path, expected))

    def text(self, section: str, name: str) -> str:
        return self._values.get(section, name, fallback="").strip()

    def url(self, section: str, name: str, required: bool = False) -> str:
        value = self.text(section, name)
        if not value and not required:
            return ""
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good or parts.username or parts.query or parts.fragment:
            # A password in the address is not repeated.
            shown = re.sub(r"//[^/@]*@", "//...@", value)
            raise self._bad(name, shown, "an address like https://scopeline.example.org, without a password")
        return value.rstrip("/")

    def token(self) -> str:
        value = self.text("server", "token")
        named = self.text("server", "token_file")
        if bool(value) == bool(named):
            raise WrongUse("In %s, set either token or token_file in [server]." % self.path)
        if named:
            value = self._token_from(self._absolute(named))
        if not _TOKEN.match(value):
            # The value is a secret, or nearly one: it is not repeated.
            raise WrongUse("The token of %s is not one. Expected: sl_, an id, _ and a secret." % self.path)
        return value

    def _token_from(self, path: str) -> str:
        try:
            with open(path, encoding="utf-8-sig") as file:
                mode = os.fstat(file.fileno()).st_mode
                value = file.read(10000).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise self._bad("token_file", path, "a readable file with the token (%s)" % _one_line(error))
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise self._bad(
                "token_file", path, "a file that only its owner can read (mode 0600, not %03o)" % (mode & 0o777)
            )
        return value

    def file(self, section: str, name: str) -> str:
        value = self.text(section, name)
        if value and not os.path.isfile(self._absolute(value)):
            raise self._bad(name, value, "a file that exists")
        return self._absolute(value) if value else ""

    def folder(self, section: str, name: str, default: str) -> str:
        value = self.text(section, name)
        return self._absolute(value) if value else default

    def number(self, section: str, name: str, default: float, least: float, most: float) -> float:
        value = self.text(section, name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise self._bad(name, value, "a number from %g to %g" % (least, most))
        return number

    def chunk(self, section: str, name: str, default: int) -> int:
        value = self.text(section, name)
        if not value:
            return default
        size = self.number(section, name, 0, 0.25, 256) * MIB
        if size % CHUNK_UNIT:
            raise self._bad(name, value, "a multiple of 0.25, in MiB")
        return int(size)

    def slug(self, section: str, name: str) -> str:
        value = self.text(section, name)
        if value and not _SLUG.match(value):
            raise self._bad(name, value, "1 to 40 lower-case letters, digits and inner hyphens")
        return value

    def choice(self, section: str, name: str, choices: "tuple[str, ...]") -> str:
        value = self.text(section, name) or choices[0]
        if value not in choices:
            raise self._bad(name, value, " or ".join(choices))
        return value

    def words(self, section: str, name: str) -> "list[str]":
        value = self.text(section, name)
        return [word.strip() for word in value.replace("\n", ",").split(",") if word.strip()]

    def roots(self) -> "dict[str, str]":
        found = dict(self._values.items("roots")) if self._values.has_section("roots") else {}
        if not found:
            raise WrongUse(
                "%s names no folder to watch. Expected: [roots] with lines like data = D:\\Data." % self.path
            )
        for name, folder in found.items():
            if not _SLUG.match(name):
                raise self._bad("root " + name, name, "a name of 1 to 40 lower-case letters, digits and inner hyphens")
            if not folder.strip():
                raise self._bad("root " + name, folder, "a folder")
        return {name: self._absolute(folder.strip()) for name, folder in found.items()}

    def check_apart(self, data_folder: str, roots: "dict[str, str]") -> None:
        for folder in roots.values():
            if os.path.normcase(folder) == os.path.normcase(data_folder):
                raise self._bad("data_folder", data_folder, "a folder that is not watched itself")

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(os.path.dirname(self.path), os.path.expanduser(path)))


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
