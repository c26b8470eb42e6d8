"""The files of reviews that a user names: one, a list, a glob, a directory, an address."""

import contextlib
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from imdb_cls.data import formats
from imdb_cls.data.reviews import Layout, Review, checked_review
from imdb_cls.errors import UserError, missing, one_line

Named = str | Path | Sequence[str]
"""What a user names, with wildcards or without."""

# Parameters of an address that let in whoever has it.
_SECRET = re.compile(r"sig|token|key|secret|passw|credential", re.IGNORECASE)


def read(named: Named, layout: Layout | None = None) -> Iterator[Review]:
    """The reviews of all files that are named, in their order. Raises UserError as `located`,
    `read_path` do."""
    with located(named) as paths:
        for path in paths:
            yield from read_path(path, layout or Layout())


def read_path(path: Path, layout: Layout) -> Iterator[Review]:
    """The reviews of one file. Raises UserError as formats.rows and checked_review do."""
    for where, row in formats.rows(path, layout):
        yield checked_review(row, where, layout)


@contextlib.contextmanager
def located(named: Named) -> Iterator[list[Path]]:
    """The files that are named; those of an address lie on this machine until the end. Raises
    UserError for what is no file, for none at all, and for one that is named twice."""
    names = [str(named)] if isinstance(named, str | Path) else list(named)
    with tempfile.TemporaryDirectory(prefix="imdb_cls-") as copies:
        paths: list[Path] = []
        for number, name in enumerate(names):
            if "://" in name:
                paths += _copied(name, Path(copies) / str(number))
            else:
                paths += _expanded(Path(name).expanduser())
        if twice := [path for path in paths if paths.count(path) > 1]:
            raise UserError(f"{twice[0]} is named twice among the files of reviews")
        try:
            yield paths
        except UserError as error:
            # Of a copy, a user knows the address.
            message = str(error)
            for number, name in enumerate(names):
                message = message.replace(f"{copies}/{number}", name.rpartition("/")[0])
            raise UserError(message) from None


def _expanded(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return _shards(path)
    # A name with brackets may be a file's very name, which is why it was looked for first.
    if re.search(r"[*?[]", path.name):
        if found := sorted(p for p in path.parent.glob(path.name) if p.is_file()):
            return found
        raise UserError(f"{path}: no file has such a name")
    raise UserError(f"{path}: {missing(path, 'file')}")


def _shards(directory: Path) -> list[Path]:
    """All files of a directory but those whose names begin with a dot or an underscore."""
    found = sorted(path for path in directory.iterdir() if path.name[0] not in "._")
    if not found:
        raise UserError(f"{directory}: no files in this directory")
    for path in found:
        if path.is_dir() and {p.name for p in path.iterdir()} >= {"pos", "neg"}:
            raise UserError(f"{directory}: choose data=acl_imdb data.path={directory}")
        if not path.is_file() or formats.ending(path) not in formats.ENDINGS:
            raise UserError(
                f"{directory}: {path.name} is no file of reviews, which end in {formats.ALLOWED}:"
                f" name the files, as in '{directory}/*.csv'"
            )
    return found


def _copied(address: str, directory: Path) -> list[Path]:
    """Copies what lies at an address: a file, a directory's files, or those that fit wildcards."""
    import fsspec

    where, query = urlsplit(address), parse_qsl(urlsplit(address).query)
    if where.username or where.password or any(_SECRET.search(key) for key, _ in query):
        raise UserError(
            f"{where.scheme}://{where.hostname}/…: this address holds a secret, which would be"
            " written into the run's records: copy the file to this machine first"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # s3fs is called old
            system, path = fsspec.url_to_fs(address)
        if where.scheme in ("http", "https"):
            found = {path: where.path}
        else:
            listed = system.ls(path, detail=False) if system.isdir(path) else system.glob(path)
            found = {name: name for name in sorted(listed)}
        copies = [directory / Path(name).name for name in found.values()]
        directory.mkdir()
        for source, copy in zip(found, copies, strict=True):
            system.get_file(source, str(copy))
    except Exception as error:  # every file system has errors of its own
        what = f"{type(error).__name__}: {one_line(error)}"
        raise UserError(f"{address}: cannot be read: {what}") from error
    if not copies:
        raise UserError(f"{address}: no such file")
    return copies
