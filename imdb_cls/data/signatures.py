"""What the first bytes of a file say that it is, whatever its name ends in."""

import shlex
from pathlib import Path

from imdb_cls.errors import UserError

# How files of other formats begin, what they are, and the command that makes one that can be read;
# {file} is its path, {new} one beside it.
_UTF32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_SIGNATURES: tuple[tuple[bytes | tuple[bytes, ...], str, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip", "mv {file} {file}.gz"),
    (b"PAR1", "Parquet", "mv {file} {new}.parquet"),
    (b"ARROW1", "an Arrow file", ""),
    (b"BZh", "compressed with bzip2", "bzip2 -dc {file} > {new}{ending}"),
    (b"\xfd7zXZ\x00", "compressed with xz", "xz -dc {file} > {new}{ending}"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -dc {file} > {new}{ending}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x {file}"),
    (_UTF32, "UTF-32", "iconv -f UTF-32 -t UTF-8 {file} > {new}{ending}"),
    ((b"\xff\xfe", b"\xfe\xff"), "UTF-16", "iconv -f UTF-16 -t UTF-8 {file} > {new}{ending}"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", ""),
    (b"SQLite format 3", "an SQLite database", ""),
    (b"%PDF", "a PDF", ""),
    (b"version https://git-lfs", "a pointer of Git LFS", "git lfs pull --include {file}"),
    ((b"<!DOCTYPE", b"<!doctype", b"<html"), "a web page", ""),
)
_ZIP = b"PK\x03\x04"
SHORTEST = 64
"""The bytes of a file's beginning that these signatures need at least."""


def check_is_text(head: bytes, path: Path) -> None:
    """Raises UserError, with what helps, if the bytes that a file begins with are of no text."""
    if found := recognized(head):
        what, command = found
        raise UserError(f"{path}: {what}, in spite of its name: {_remedy(command, path)}")


def recognized(head: bytes) -> tuple[str, str] | None:
    """What such a beginning is, if it is no text in UTF-8, and the command that helps."""
    for magic, what, command in _SIGNATURES:
        if head.startswith(magic):
            return what, command
    if head.startswith(_ZIP):
        if b"xl/" in head or b"[Content_Types].xml" in head:
            return "an Excel workbook", ""
        return "a zip archive", "python -m zipfile -e {file} {new}"
    for encoding, nulls in (("UTF-16LE", head[1::2]), ("UTF-16BE", head[::2])):
        if len(nulls) > 1 and nulls.count(0) > len(nulls) // 2:
            return encoding, f"iconv -f {encoding} -t UTF-8 {{file}} > {{new}}{{ending}}"
    return None


def conversion(path: Path, line: bytes) -> str:
    """The command that makes UTF-8 of a text with such a line."""
    try:
        line.decode("cp1252")
        encoding = "WINDOWS-1252"
    except UnicodeDecodeError:
        encoding = "LATIN1"
    return _remedy(f"iconv -f {encoding} -t UTF-8 {{file}} > {{new}}{{ending}}", path)


def _remedy(command: str, path: Path) -> str:
    if path.suffix.lower() == ".gz":
        return f"gzip -dc {shlex.quote(str(path))} > {shlex.quote(str(path.with_suffix('')))}"
    if not command:
        return "save it as CSV in UTF-8, JSON lines or Parquet"
    # Endings stay outside the quotes that a shell may need, which changes nothing for it.
    new = path.with_name(f"{path.name.removesuffix(path.suffix)}-converted")
    return command.format(
        file=shlex.quote(str(path)), new=shlex.quote(str(new)), ending=path.suffix
    )
