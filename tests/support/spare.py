"""Does once what libraries do again in every short command, and which comes to the same.

tests/support/warm.py applies it to the process that it forks, and so to nearly all tests. A fresh
Python is without it.
"""

import pickle
from collections.abc import Callable
from typing import Any

# Their descriptions are megabytes of JSON.
_SERVICES = ("cloudwatch", "iam", "logs", "s3", "sagemaker", "sts")


def spare() -> None:
    for saving in (_describe_services_once, _check_schema_never, _compose_once):
        saving()


def _describe_services_once() -> None:
    import botocore.loaders
    import botocore.session
    from botocore.client import ClientCreator

    loader = botocore.loaders.create_loader()
    for name in _SERVICES:
        loader.load_service_model(name, "service-2")
    botocore.session.create_loader = lambda path: loader
    # A client of SageMaker has 400 methods, and every client gets functions of its own.
    make, kept = ClientCreator._create_methods, dict[str, Any]()

    def methods(creator: Any, service_model: Any) -> dict[str, Any]:
        name = service_model.service_name
        if name not in kept:
            kept[name] = make(creator, service_model)
        return dict(kept[name])

    ClientCreator._create_methods = methods


def _check_schema_never() -> None:
    """With every request the SDK validates its own config nine times, and each time its own
    schema."""
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema = staticmethod(lambda schema: None)


def _compose_once() -> None:
    """With every command Hydra reads some twenty files and puts them together, three times over. It
    sets the values of the command line afterwards, in copies here."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import ConfigRepository

    read, merge = ConfigRepository.load_config, ConfigLoaderImpl._compose_config_from_defaults_list
    kept: dict[Any, bytes] = {}

    def places(repository: Any) -> tuple[Any, ...] | None:
        """Where it looks for files. None: among them is a directory in which they may change."""
        found = [(source.provider, source.path) for source in repository.get_sources()]
        return None if any(name == "command-line" for name, _ in found) else tuple(found)

    def once(key: Any, where: Any, make: Callable[[], Any]) -> Any:
        if where is None:
            return make()
        if (key, where) not in kept:
            result = make()
            try:
                kept[key, where] = pickle.dumps(result)
            except pickle.PicklingError:  # in a worker of joblib, Hydra has loaded classes twice
                return result
        return pickle.loads(kept[key, where])

    def read_once(repository: Any, config_path: str) -> Any:
        return once(config_path, places(repository), lambda: read(repository, config_path))

    def merge_once(loader: Any, defaults: Any, repo: Any) -> Any:
        return once(repr(defaults), places(repo), lambda: merge(loader, defaults, repo))

    ConfigRepository.load_config = read_once
    ConfigLoaderImpl._compose_config_from_defaults_list = merge_once
    _compose_what_most_tests_do()


def _compose_what_most_tests_do() -> None:
    from hydra import compose, initialize_config_dir

    from imdb_cls.config import CONF_DIR

    choices = ["data=imdb_packaged", "model=distilbert", "logger=none"]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        for backend in ([], ["+backend=sagemaker"]):
            compose("train", [*choices, *backend])
