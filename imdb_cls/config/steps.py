"""How many optimizer steps a run has, over how many of them its learning rate rises, and how often
a step reads its batch."""

import math

from imdb_cls.config.schema import Config, ModelConfig
from imdb_cls.errors import UserError


def training_steps(config: Config, reviews: int) -> int:
    """Optimizer steps of the whole run over `reviews` training reviews."""
    batches = math.ceil(reviews / config.data.batch_size)
    return math.ceil(batches / config.trainer.accumulate_grad_batches) * config.trainer.max_epochs


def warmup_steps(config: Config, reviews: int) -> int:
    """Steps over which the learning rate rises. Raises UserError if the run has fewer."""
    total = training_steps(config, reviews)
    if config.model.warmup_steps is None:
        return round(config.model.warmup_ratio * total)
    if config.model.warmup_steps > total:
        raise UserError(
            f"model.warmup_steps={config.model.warmup_steps} is longer than the run of {total}"
            " steps: take fewer, or set model.warmup_ratio instead"
        )
    return config.model.warmup_steps


def readings(config: ModelConfig, epoch: int) -> int:
    """How often the network reads a batch in an epoch: twice with R-Drop."""
    ends = config.rdrop_epochs
    return 2 if config.rdrop and (ends is None or epoch < ends) else 1
