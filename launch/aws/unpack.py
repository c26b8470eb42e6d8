"""Unpacks archives that come from elsewhere, and lets none write outside of its directory."""

import gzip
import tarfile
import zlib
from pathlib import Path

from imdb_cls.errors import UserError, one_line


def unpacked(archive: Path, target: Path, shown: str, damaged: str, advice: str = "") -> None:
    """Unpacks a .tar.gz into a directory, which is made if need be. Files get the mode that the
    umask wants, whoever packed them. Raises UserError if a member leads out of `target`, or the
    archive, which an error calls `shown`, cannot be read: then it says `damaged`, the cause and
    `advice`."""
    if not hasattr(tarfile, "data_filter"):
        raise UserError("Python 3.11.4 or later is needed to unpack archives safely")
    try:
        # Read to the checksum at its end: tarfile takes a damaged header for the end of an archive.
        with gzip.open(archive) as stream:
            while stream.read(1 << 20):
                pass
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter=_harmless)
    except tarfile.FilterError as error:
        raise UserError(f"{shown} is refused: {one_line(error)}") from None
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{shown} {damaged}: {one_line(error)}{advice}") from None


def _harmless(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Refuses absolute paths, paths and links that lead outside, and devices."""
    # typeshed does not know that None is a mode, too: then nothing is changed.
    return tarfile.data_filter(member, target).replace(mode=None, deep=False)  # type: ignore[arg-type]
