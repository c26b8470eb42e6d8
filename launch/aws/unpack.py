"""Unpacks what comes from elsewhere, and nothing outside of where it belongs."""

import gzip
import tarfile
import zlib
from pathlib import Path

from imdb_cls.errors import UserError, one_line


def unpacked(archive: Path, target: Path, shown: str, damaged: str, advice: str = "") -> None:
    """A .tar.gz into a directory that need not be there.

    Args:
        shown: what to call it in an error.
        damaged: what to say if it cannot be read, and `advice` behind the cause.

    Raises:
        UserError: it is damaged, or has members that lead out of `target`.
    """
    if not hasattr(tarfile, "data_filter"):
        raise UserError("Python 3.11.4 or later is needed to unpack archives safely")
    try:
        # To its end, where its checksum is: tarfile takes a damaged header for the end of it all.
        with gzip.open(archive) as stream:
            while stream.read(1 << 20):
                pass
        with tarfile.open(archive) as tar:
            # Refuses absolute paths, paths and links that lead outside, and devices.
            tar.extractall(target, filter="data")
    except tarfile.FilterError as error:
        raise UserError(f"{shown} is refused: {one_line(error)}") from None
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{shown} {damaged}: {one_line(error)}{advice}") from None
