"""The file formats that Scopeline knows: one row each, and which files belong together.

Rows are data: name, extensions, how the content is recognised, the module that reads it, the reader's version (an
integer, raised whenever its results change), and how much memory reading may take. Nothing heavy is imported here, so
that ingest can ask which files belong together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MIB = 1024 * 1024

# Raised whenever the vocabulary, its units or the way values are shown change: all files are then read again.
VOCABULARY_VERSION = 1

# How many bytes of a file's beginning the `magic` patterns see.
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Companions:
    """Which files are read along with a file, by their names in one folder.

    `leader` and `companion` are patterns for whole names (letter case does not count); two files belong together where
    the named groups that both patterns have are equal. `companion_glob` names the companions of a leader, `{stem}`
    standing for its group.
    """

    leader: str
    companion: str
    companion_glob: str

    def joins(self, leader: str, companion: str) -> bool:
        """Whether the two names belong together in these roles."""
        one, other = _full(self.leader, leader), _full(self.companion, companion)
        if one is None or other is None:
            return False
        left, right = one.groupdict(), other.groupdict()
        return all(left[key].casefold() == right[key].casefold() for key in left.keys() & right.keys())


@dataclass(frozen=True, slots=True)
class Format:
    """One format. `magic` is searched at the beginning of the file; a format without one is known by its extension."""

    id: str
    name: str
    extensions: tuple[str, ...]
    module: str = ""  # below scopeline.formats; empty where the format is refused
    version: int = 1
    magic: tuple[bytes, ...] = ()  # regular expressions, matched at the start
    needs_magic: bool = True  # a file with the extension but without the magic is not of this format
    whole_limit: int | None = None  # read whole into memory, up to this many bytes of file; None: read lazily
    refused: str | None = None  # why files of this format are not read
    companions: tuple[Companions, ...] = ()
    text: bool = False
    note: str = ""  # for the documentation

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with `head` is of this format, by its content."""
        return any(re.match(pattern, head, re.DOTALL) for pattern in self.magic)


HDF5_MAGIC = (rb"\x89HDF\r\n\x1a\n",)
_XML = rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"

# The order matters where two rows recognise the same content: the first whose extension fits, else the first.
FORMATS: tuple[Format, ...] = (
    Format(
        "digitalmicrograph", "Gatan DigitalMicrograph", ("dm3", "dm4"), "digitalmicrograph", version=3,
        magic=(rb"\x00\x00\x00\x03.{4}\x00\x00\x00[\x00\x01]", rb"\x00\x00\x00\x04.{8}\x00\x00\x00[\x00\x01]"),
        note="RGB images are read whole",
    ),
    Format(
        "tia", "FEI TIA series", ("ser",), "tia", version=3, magic=(rb"II\x97\x01",),
        companions=(
            Companions(r"(?P<stem>.+)_\d+\.ser", r"(?P<stem>.+)\.emi", "{stem}.emi"),
        ),
        note="parameters are in the .emi file of the same name",
    ),
    Format(
        "emi", "FEI TIA description", ("emi",), "tia", magic=(rb"JK\x00\x02",),
        refused="It describes .ser files, which are not beside it.",
        note="read together with its .ser files",
    ),
    Format("velox", "Thermo Fisher Velox", ("emd",), "emd", version=3, magic=HDF5_MAGIC,
           note="EDS event streams: only their sum spectrum is read"),
    Format("emd", "EMD (Berkeley, py4DSTEM, prismatic)", ("emd", "de5"), "emd", version=3, magic=HDF5_MAGIC),
    Format("hyperspy", "HyperSpy", ("hspy", "hdf5"), "hyperspy", version=3, magic=HDF5_MAGIC),
    Format("nexus", "NeXus", ("nxs", "nx", "h5", "hdf"), "nexus", version=2, magic=HDF5_MAGIC),
    Format("bcf", "Bruker Esprit spectrum image", ("bcf",), "bruker", version=3, magic=(rb"AAMVHFSS",),
           whole_limit=512 * MIB),
    Format("spx", "Bruker Esprit spectrum", ("spx",), "bruker", version=3,
           magic=(_XML + rb"<TRTSpectrum",), whole_limit=64 * MIB, text=True),
    Format(
        "tiff", "TIFF", ("tif", "tiff"), "tiff", version=3,
        magic=(rb"II\*\x00", rb"MM\x00\*", rb"II\+\x00", rb"MM\x00\+"),
        companions=(Companions(r"(?P<stem>.+)\.tiff?", r"(?P<stem>.+)\.hdr", "{stem}.hdr"),),
        note="parameters of Thermo Fisher/FEI, Zeiss, Zeiss Orion, Fibics, Tescan, JEOL, Olympus, Gatan and ImageJ; "
        "compressed pages are read one by one",
    ),
    Format(
        "mrc", "MRC", ("mrc", "mrcs", "st", "ali", "rec"), "mrc", version=2,
        magic=(rb".{208}MAP[ \x00]",), needs_magic=False,
        companions=(Companions(r"(?P<stem>.+)_\w+\.mrc", r"(?P<stem>.+)_info\.txt", "{stem}_info.txt"),),
    ),
    Format("blockfile", "NanoMEGAS blockfile", ("blo",), "blockfile", version=2, magic=(rb"IMGBLO",)),
    Format(
        "tvips", "TVIPS stream", ("tvips",), "tvips", version=3,
        magic=(rb"[\x00-\xff]\x01\x00\x00[\x01\x02]\x00\x00\x00",),
        companions=(
            Companions(r"(?P<stem>.+)_000\.tvips", r"(?P<stem>.+)_(?!000)\d{3}\.tvips", "{stem}_[0-9][0-9][0-9].tvips"),
        ),
    ),
    Format(
        "merlin", "Quantum Detectors Merlin", ("mib",), "quantumdetector", version=3, magic=(rb"MQ1,", rb"MQA,"),
        companions=(Companions(r"(?P<stem>.+)\.mib", r"(?P<stem>.+)\.hdr", "{stem}.hdr"),),
    ),
    Format(
        "empad", "EMPAD", ("xml",), "empad", version=2,
        magic=(_XML + rb"<root name=\"(?=.*?<(?:pix_x|scan_parameters|raw_file)\b)",),
        companions=(Companions(r".+\.xml", r".*x\d+_y\d+\.raw|.*_\d+\.raw|series.*\.raw", "*.raw"),),
        text=True,
    ),
    Format("msa", "EMSA/MAS spectrum", ("msa", "emsa"), "msa", version=3, magic=(rb"\s*#FORMAT\s*:",),
           whole_limit=64 * MIB, text=True),
    Format(
        "ripple", "Ripple", ("rpl",), "ripple", version=2, needs_magic=False, text=True,
        companions=(Companions(r"(?P<stem>.+)\.rpl", r"(?P<stem>.+)\.raw", "{stem}.raw"),),
    ),
    Format("phenom", "Phenom element identification", ("elid",), "phenom", version=2, magic=(rb"BZh[1-9]1AY&SY",),
           whole_limit=64 * MIB),
    Format("protochips", "Protochips log", ("csv",), "protochips", version=3, magic=(rb"Time, ?Notes,",),
           whole_limit=64 * MIB, text=True),
    Format("renishaw", "Renishaw WiRE", ("wdf",), "renishaw", version=3, magic=(rb"WDF1",), whole_limit=512 * MIB),
    Format(
        "pantarhei", "CEOS Panta Rhei", ("prz",), magic=(rb"PK\x03\x04.{26}(?:data|meta_data|data_model)\.npy",),
        refused="Panta Rhei files keep their metadata as Python pickles, which can run any program when they are read.",
    ),
    Format(
        "numpy", "NumPy archive", ("npz", "npy"), magic=(rb"\x93NUMPY", rb"PK\x03\x04.{26}[^/]{1,100}\.npy"),
        refused="NumPy files say nothing of the microscope and can carry Python pickles, which run programs when read.",
    ),
    Format("png", "PNG image", ("png",), "image", version=2, magic=(rb"\x89PNG\r\n\x1a\n",), whole_limit=256 * MIB),
    Format("jpeg", "JPEG image", ("jpg", "jpeg"), "image", version=2, magic=(rb"\xff\xd8\xff",), whole_limit=256 * MIB),
    Format("bmp", "BMP image", ("bmp",), "image", version=2, magic=(rb"BM.{12}[\x0c-\x7c]\x00\x00\x00",),
           whole_limit=256 * MIB),
    Format("text", "text notes", ("txt", "md", "log", "rtf"), "text", version=2, needs_magic=False,
           whole_limit=16 * MIB, text=True),
)  # fmt: skip

# Content that no reader takes, named in the words that a person would use. Patterns are matched at the start.
OTHER_CONTENT: tuple[tuple[bytes, str], ...] = (
    (rb"PK\x03\x04", "a zip archive"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (rb"Rar!", "a RAR archive"),
    (rb"BZh", "a bzip2 archive"),
    (rb"%PDF", "a PDF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (rb"MZ", "a Windows program"),
    (rb"\x7fELF", "a Linux program"),
    (rb"SQLite format 3\x00", "an SQLite database"),
    (rb"GIF8[79]a", "a GIF image"),
    (rb"RIFF.{4}(?:WEBP|AVI )", "a video or WebP image"),
    (rb".{4}ftyp", "a video"),
    (rb"\s*<(?:!DOCTYPE html|html)", "a web page"),
    (rb"\s*<\?xml", "an XML document"),
    (rb"\s*[{\[]\s*[\"{\[\]}]", "a JSON document"),
)


def by_extension(file_name: str) -> list[Format]:
    """The formats whose files have this name's extension."""
    extension = extension_of(file_name)
    return [row for row in FORMATS if extension in row.extensions]


def by_content(head: bytes) -> list[Format]:
    """The formats that recognise the beginning of a file."""
    return [row for row in FORMATS if row.recognises(head)]


def extension_of(file_name: str) -> str:
    """The last extension, in small letters and without its dot; empty where there is none."""
    return file_name.rpartition(".")[2].lower() if "." in file_name.lstrip(".") else ""


def companion_prefixes(file_name: str) -> list[str]:
    """How the names of the files that are read along with `file_name` begin, for stores that list by prefix."""
    matches = ((rule.companion_glob, _full(rule.leader, file_name)) for rule in _rules())
    # What stands before the first wildcard, which is never part of a stem here.
    return sorted({re.split(r"[*?\[]", glob)[0].replace("{stem}", _stem(match)) for glob, match in matches if match})


def leader_prefixes(file_name: str) -> list[str]:
    """How the names of the files begin that `file_name` would be a companion of; none where it can be no companion."""
    return sorted({_stem(match) for rule in _rules() if (match := _full(rule.companion, file_name))})


def versions_text(file_name: str) -> str:
    """The readers that may read a file of this name, with their versions and that of the vocabulary: another text
    means to read it again."""
    readers = (f"{row.id}:{row.version}" for row in by_extension(file_name) or FORMATS)
    return " ".join([f"vocabulary:{VOCABULARY_VERSION}", *readers])


def companions_of(file_name: str, siblings: Iterable[str]) -> list[str]:
    """The names among `siblings` (of one folder) that are read along with `file_name`."""
    rules = [rule for rule in _rules() if _full(rule.leader, file_name)]
    if not rules:  # most formats: the folder is not even listed
        return []
    return sorted({s for s in siblings if s != file_name and any(rule.joins(file_name, s) for rule in rules)})


def leaders_of(file_name: str, siblings: Iterable[str]) -> list[str]:
    """The names among `siblings` that are read with `file_name` as their companion."""
    rules = [rule for rule in _rules() if _full(rule.companion, file_name)]
    if not rules:
        return []
    return sorted({s for s in siblings if s != file_name and any(rule.joins(s, file_name) for rule in rules)})


def is_companion_only(file_name: str) -> bool:
    """Whether a file of this name means nothing without another one."""
    return extension_of(file_name) in ("hdr", "raw")


def _rules() -> list[Companions]:
    return [rule for row in FORMATS for rule in row.companions]


def _full(pattern: str, file_name: str) -> re.Match[str] | None:
    return re.fullmatch(pattern, file_name, re.IGNORECASE | re.DOTALL)


def _stem(match: re.Match[str]) -> str:
    return match.groupdict().get("stem") or ""
