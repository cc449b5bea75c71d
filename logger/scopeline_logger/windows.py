"""The few calls of Windows that Python's library lacks. Imported on Windows only."""

import ctypes
import io
import msvcrt
import os
from ctypes import wintypes

_GENERIC_READ = 0x80000000
_SHARE_READ, _SHARE_WRITE, _SHARE_DELETE = 1, 2, 4
_OPEN_EXISTING = 3
_SHARING_VIOLATION, _LOCK_VIOLATION = 32, 33
_INVALID_ATTRIBUTES = 0xFFFFFFFF
_REPARSE_POINT = 0x400

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
_kernel32.CreateFileW.restype = wintypes.HANDLE
_kernel32.CreateFileW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
]
_kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel32.GetFileAttributesW.restype = wintypes.DWORD
_kernel32.GetFileAttributesW.argtypes = [wintypes.LPCWSTR]
_INVALID_HANDLE = wintypes.HANDLE(-1).value


def _open_handle(path: str, share: int) -> int:
    handle = _kernel32.CreateFileW(path, _GENERIC_READ, share, None, _OPEN_EXISTING, 0, None)
    if handle in (None, _INVALID_HANDLE):
        raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]
    return int(handle)


def has_writer(path: str) -> bool:
    """Whether a program has the file open for writing: then it cannot be opened without sharing that right."""
    try:
        handle = _open_handle(path, _SHARE_READ | _SHARE_DELETE)
    except OSError as error:
        return getattr(error, "winerror", 0) in (_SHARING_VIOLATION, _LOCK_VIOLATION)
    _kernel32.CloseHandle(handle)
    return False


def open_shared(path: str) -> "io.FileIO":
    """Open for reading so that the instrument's program may write, rename and delete the file meanwhile.

    Python's own open() forbids renaming and deleting.
    """
    handle = _open_handle(path, _SHARE_READ | _SHARE_WRITE | _SHARE_DELETE)
    return io.FileIO(msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY), "rb")  # type: ignore[attr-defined]


def is_reparse_point(path: str) -> bool:
    """Whether a folder is a junction or another kind of link."""
    attributes = _kernel32.GetFileAttributesW(path)
    return attributes != _INVALID_ATTRIBUTES and bool(attributes & _REPARSE_POINT)
