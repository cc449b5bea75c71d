"""What names a store takes, in every edition."""

from __future__ import annotations

from scopeline.domain.errors import InvalidInput

# As Google Cloud Storage has it (https://cloud.google.com/storage/docs/objects#naming).
MAX_NAME_BYTES = 1024


def is_object_name(name: str) -> bool:
    """Whether an object can have that name: 1 to 1,024 bytes of text without line breaks, and not `.` or `..`."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= MAX_NAME_BYTES and not any(c in name for c in "\0\r\n") and name not in (".", "..")


def check_object_name(name: str) -> str:
    """`name`, if an object can have it. Raises InvalidInput (`invalid_object_name`)."""
    if not is_object_name(name):
        raise InvalidInput(
            f"Object name {name[:100]!r} cannot be used: expected 1 to {MAX_NAME_BYTES} bytes of Unicode text without "
            "line breaks, and not '.' or '..'.",
            code="invalid_object_name",
        )
    return name


def check_file_name(file_name: str) -> str:
    """`file_name`, if it names a file in a folder and nothing else. Raises InvalidInput (`invalid_file_name`)."""
    if file_name in ("", ".", "..") or "/" in file_name or "\0" in file_name:
        raise InvalidInput(f"{file_name!r} is not a plain file name.", code="invalid_file_name")
    return file_name


def file_name_twice(file_name: str) -> InvalidInput:
    """The error for two objects that would have one file name in a folder."""
    return InvalidInput(f"Two objects would have the file name {file_name!r} in one folder.", code="invalid_file_name")
