"""A job's first program where its packages come from an index that asks who one is: nothing of ours
is installed yet. It takes the index and the name of the secret; the secret itself goes from Secrets
Manager to pip, and nowhere else."""

import json
import os
import subprocess
import sys
from urllib.parse import quote


def main() -> None:
    url, name = sys.argv[1:]
    import boto3

    secret = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    scheme, _, place = url.partition("://")
    user = ":".join(quote(part, safe="") for part in credentials(secret))
    # pip shows an index without the password.
    environment = {**os.environ, "PIP_INDEX_URL": f"{scheme}://{user}@{place}"}
    install = [sys.executable, "-m", "pip", "install", "--no-input", "-r", "requirements.txt"]
    sys.exit(subprocess.run(install, env=environment).returncode)


def credentials(secret: str) -> tuple[str, str]:
    """The user and the password in a secret: JSON with username and password, user:password, or a
    token alone."""
    try:
        values = json.loads(secret)
    except ValueError:
        values = None
    if isinstance(values, dict):
        if lacking := [key for key in ("username", "password") if not values.get(key)]:
            sys.exit(f"error: backend.index_secret: its JSON has no {' and no '.join(lacking)}")
        return str(values["username"]), str(values["password"])
    user, colon, password = secret.strip().partition(":")
    return (user, password) if colon else ("__token__", user)


if __name__ == "__main__":
    main()
