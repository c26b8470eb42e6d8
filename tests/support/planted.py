"""Secrets that a user may have, and that nobody else is to see."""

from pathlib import Path

# By their places: a variable's name, or a file's.
PLANTED = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01planted",
    "HF_TOKEN": "hf_planted0000000000000000000000",
    "OUR_DATABASE": "postgres://user:planted-database@db",
    ".env": "DATABASE_PASSWORD=planted-dotenv",
    ".netrc": "machine api.wandb.ai login user password planted-netrc",
    ".aws/credentials": (
        "[default]\naws_access_key_id = AKIAPLANTEDPLANTED00\n"
        "aws_secret_access_key = planted/secret/access/key"
    ),
}
_SECRETS = (
    *("0123456789abcdef0123456789abcdef01planted", "hf_planted", "planted-database"),
    *("planted-dotenv", "planted-netrc", "planted/secret/access/key"),
)


def plant(home: Path, here: Path) -> dict[str, str]:
    """Puts PLANTED into a home and a working directory. Returns the variables among them."""
    for name, content in PLANTED.items():
        if name.startswith("."):
            path = (here if name == ".env" else home) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    variables = {name: text for name, text in PLANTED.items() if not name.startswith(".")}
    return {**variables, "HOME": str(home), "NETRC": str(home / ".netrc")}


def leaks(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which of the secrets stands in which text, by the text's name."""
    return [(w, s) for w, text in texts.items() for s in _SECRETS if s.encode() in text]


def contents(path: Path) -> dict[str, bytes]:
    """Every file below a directory, by its path."""
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file()}
