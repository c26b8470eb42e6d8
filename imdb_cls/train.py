"""Fine-tunes DistilBERT on movie reviews: python -m imdb_cls.train [group=option] [key=value] …"""

import shutil
import sys
from pathlib import Path
from types import ModuleType

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from imdb_cls import cli
from imdb_cls.config import Config, parse
from imdb_cls.config.overrides import group_of, key_of, task_overrides
from imdb_cls.container import check_gpu, job_name, results
from imdb_cls.errors import UserError
from imdb_cls.loading import importing
from imdb_cls.runs.outcome import Outcome
from imdb_cls.runs.sweep import Sweep
from imdb_cls.sweeps import plugin
from imdb_cls.terminal import Screen, is_rank_zero, outlast_readers, quiet_libraries

# Overrides of these keys choose weights or reviews that the packaged ones cannot stand in for.
_NAMED = (
    *("model.pretrained.", "data.name", "data.revision", "data.source", "data.path"),
    *("data.train=", "data.val=", "data.test=", "data.text=", "data.label="),
    *("data.negative=", "data.positive=", "data.separator="),
)


def task(composed: DictConfig) -> float | Outcome:
    """Carries out one run, here or as a job. Returns `metric` of the best checkpoint, or of a trial
    of a sweep how it ended."""
    config = parse(composed)
    quiet_libraries()
    directory = Path(HydraConfig.get().runtime.output_dir)
    overrides = task_overrides()
    alone = OmegaConf.is_missing(HydraConfig.get().job, "num") and not Sweep.around(directory)
    if config.sweep.search != "grid" and alone and not config.container:
        raise UserError(
            f"sweep={config.sweep.search} searches by many trials:"
            f" python -m imdb_cls.train -m sweep={config.sweep.search} …"
        )
    if config.backend:
        return float(backend().train(config, directory, recompose, overrides))
    if not config.container:
        return _train_here(config, directory, overrides)
    container = Path(config.container)
    with results(container, directory):
        if config.trainer.accelerator != "cpu":
            check_gpu(container)
        # A job that was interrupted finds its run directory again. It is useless without run.json.
        if (directory / "run.json").is_file():
            config.resume = str(directory)
        elif is_rank_zero() and job_name() and directory.is_relative_to(container):
            shutil.rmtree(directory)
            directory.mkdir()
        return _train_here(config, directory, overrides)


def backend() -> ModuleType:
    """The module that runs a config with a backend."""
    import launch.sagemaker

    return launch.sagemaker


def _train_here(config: Config, directory: Path, overrides: list[str]) -> float | Outcome:
    with importing():
        from imdb_cls.training.checkpoints import Stopped
        from imdb_cls.training.fit import resume, train

    in_sweep = not OmegaConf.is_missing(HydraConfig.get().job, "num")
    try:
        if in_sweep or (Sweep.around(directory) and not (config.resume or config.container)):
            # The image of a job lacks what this imports.
            from imdb_cls.sweeps import local
            from imdb_cls.sweeps.trial import Trial

            trial = Trial(config, directory, overrides, recompose)
            if in_sweep:
                return local.run_in_sweep(trial)
            outcome = local.run(trial)
            if not outcome.new:
                Screen().say(str(outcome))
            return outcome
        if config.resume:
            return resume(config.resume, directory, overrides)
        return train(config, directory, recompose, overrides)
    except Stopped as stop:
        sys.exit(128 + stop.signum)


def recompose(stand_ins: list[str]) -> Config:
    """Composes this run's config once more, as if the user had typed the stand-ins too."""
    from imdb_cls.training.resolve import with_stand_ins

    hydra = HydraConfig.get()
    overrides = with_stand_ins(hydra.overrides.task, stand_ins)
    groups = [key_of(choice) for choice in stand_ins]
    for override in overrides[: -len(stand_ins)]:
        named = override.startswith(_NAMED) and not key_of(override).endswith(".fallback")
        if named and group_of(override) in groups:
            raise UserError(
                f"the Hub cannot be reached, and {override} has no stand-in:"
                f" go online, or leave it out to train with {' '.join(stand_ins)}"
            )
    try:
        return parse(compose(hydra.job.config_name, overrides=overrides))
    except HydraException:
        raise UserError(
            "the Hub cannot be reached, and this config has no groups to choose a stand-in from:"
            f" go online, or train conf/train.yaml with {' '.join(stand_ins)}"
        ) from None


def main() -> None:
    plugin.register(backend, recompose)
    cli.run(task, "train")


if __name__ == "__main__":
    outlast_readers()
    main()
