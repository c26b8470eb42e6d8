"""The Hugging Face Hub: the files of a repository at a pinned revision."""

import functools
import os
from pathlib import Path
from typing import Literal

from imdb_cls.errors import UserError, as_user_error, one_line

# A Hub that cannot be reached must say so in seconds; one that is slow may still answer.
TIMEOUT_S = 5.0


class HubUnreachable(Exception):
    """No answer from the Hub, and the files are not in its cache either."""


@functools.cache
def snapshot(
    name: str, revision: str | None, kind: Literal["model", "dataset"], patterns: tuple[str, ...]
) -> Path:
    """Downloads the files of a repository that match `patterns`, or finds them in the Hub's cache.

    Raises:
        HubUnreachable: the Hub does not answer and the cache does not have them.
        UserError: the Hub answers, and has no such repository or revision, or will not give it.
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    fetch = functools.partial(
        snapshot_download, name, repo_type=kind, revision=revision, allow_patterns=list(patterns)
    )
    # A short question first, since a download would retry for most of a minute.
    try:
        HfApi().repo_info(name, repo_type=kind, revision=revision, timeout=TIMEOUT_S)
    except errors.GatedRepoError:
        raise UserError(f"the Hub's {kind} '{name}' asks for a login: hf auth login") from None
    except errors.RevisionNotFoundError:
        raise UserError(f"the Hub's {kind} '{name}' has no revision '{revision}'") from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"the Hub has no {kind} '{name}' (or it is private: hf auth login)"
        ) from None
    except Exception as error:
        if isinstance(error, errors.HfHubHTTPError) and error.response.status_code < 500:
            raise UserError(f"the Hub refuses {kind} '{name}': {one_line(error)}") from None
        # Whatever kept us from the Hub, the cache may have what is needed.
        try:
            path = Path(fetch(local_files_only=True))
        except Exception:
            raise HubUnreachable(
                f"{os.environ.get('HF_ENDPOINT', 'huggingface.co')}: {one_line(error, 120)}"
            ) from None
        if not all(any(path.glob(pattern)) for pattern in patterns if "*" not in pattern):
            raise HubUnreachable(one_line(error, 120)) from None
        return path
    try:
        return Path(fetch())
    except (OSError, errors.HfHubHTTPError) as error:
        if as_user_error(error):
            raise  # the disk, not the Hub
        raise HubUnreachable(f"the download broke off: {one_line(error, 120)}") from None
