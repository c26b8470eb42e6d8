"""Which device trains, in which precision it does so natively, and with which attention kernels."""

import contextlib
import ctypes
import gc
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from imdb_cls.config import ModelConfig, TrainerConfig
from imdb_cls.errors import UserError

# mallopt(3): how many blocks malloc may map, and how much freed memory makes it give some back.
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
# Scores of plain attention in a layer, which are kept for its backward pass: 270 MB in bf16. Of 32
# reviews of 512 tokens there are 100 million with 12 heads.
_PLAIN_SCORES = 2**27
# In /proc/cpuinfo: x86's AVX-512 and AMX, and ARM's (Graviton 3 and later).
_NATIVE_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True)
class Device:
    accelerator: str
    """cpu, gpu or mps."""
    name: str
    precision: str
    """Of training and validation."""
    eval_precision: str


def choose_device(config: TrainerConfig) -> Device:
    """The device and the precisions that a config comes to on this machine. Raises UserError for a
    device that is absent, and for a precision that it lacks."""
    accelerator = config.accelerator
    if accelerator == "auto":
        mps = torch.backends.mps.is_available()
        accelerator = "gpu" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if accelerator == "gpu":
        _check_gpus(config)
    elif isinstance(config.devices, list):
        raise UserError(f"trainer.devices={config.devices}: ids are of GPUs; take a number or auto")
    if config.num_nodes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        raise UserError(f"trainer.num_nodes={config.num_nodes}: start the command with torchrun")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise UserError("trainer.accelerator=mps: no such device here; take cpu or auto")
    if accelerator == "cpu":
        _keep_freed_memory()
    return Device(
        accelerator,
        _name(accelerator),
        _precision("trainer.precision", config.precision, accelerator),
        _precision("trainer.eval_precision", config.eval_precision, accelerator),
    )


def _keep_freed_memory() -> None:
    """Lets this process keep the memory that a step frees, where glibc allocates it. Else large
    tensors are mapped for every step, and the system clears each of their pages: a tenth of a
    step's time (docs/benchmarks.md). release_memory gives it back."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, -1)


def release_memory() -> None:
    """Gives memory that nothing uses any more back to the system, and that of a GPU to others."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def plain_scores(config: ModelConfig, device: Device) -> int:
    """Up to how many scores (reviews x heads x tokens²) a batch trains with attention as plain
    matrix products, which PyTorch's fused kernels (sdpa) take the place of beyond. In bf16 a CPU is
    faster with plain ones (docs/benchmarks.md), which take memory for each score; in fp32, and on a
    GPU, it is not."""
    if config.attention != "auto":
        return sys.maxsize if config.attention == "eager" else 0
    return _PLAIN_SCORES if (device.accelerator, device.precision) == ("cpu", "bf16-mixed") else 0


def processes(config: TrainerConfig) -> int:
    """How many processes a run takes on this machine: one for each device."""
    if isinstance(config.devices, list):
        return len(config.devices)
    if config.devices != "auto":
        return int(config.devices)
    on_gpus = config.accelerator in ("auto", "gpu") and torch.cuda.is_available()
    return torch.cuda.device_count() if on_gpus else 1


def torch_device(accelerator: str) -> torch.device:
    """The first device of an accelerator."""
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))


def _check_gpus(config: TrainerConfig) -> None:
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not available:
        why = "no GPU here" if torch.version.cuda else f"torch {torch.__version__} has no CUDA"
        raise UserError(f"trainer.accelerator=gpu: {why}; take trainer.accelerator=cpu or auto")
    asked = config.devices
    highest = asked if isinstance(asked, int) else max(asked) + 1 if asked != "auto" else 0
    if highest > available:
        raise UserError(f"trainer.devices={asked}: this machine has {available} GPU(s)")
    if torch.version.cuda:
        check_kernels(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())


def check_kernels(capability: tuple[int, int], architectures: list[str]) -> None:
    """Refuses a GPU that this build of torch has no kernels for.

    Args:
        architectures: as torch.cuda.get_arch_list() names them. sm_70 runs on every 7.x from 7.0
            on; compute_70 is compiled when it is loaded, for 7.0 and all that came later.

    Raises:
        UserError: no kernel would run. torch itself says so only at the first operation.
    """
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        built = divmod(int(number.rstrip("af")), 10)
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return
    raise UserError(
        f"torch {torch.__version__} has no kernels for {_name('gpu')}"
        f" (sm_{capability[0]}{capability[1]}): it was built for {', '.join(architectures)};"
        " take another build of torch, or another image (backend.image)"
    )


def _precision(key: str, asked: str, accelerator: str) -> str:
    if asked == "auto":
        return native_precision(accelerator)
    if asked == "16-mixed" and accelerator == "cpu":
        raise UserError(f"{key}=16-mixed: a CPU has no fp16; take bf16-mixed, 32-true or auto")
    lacks_bf16 = accelerator == "gpu" and torch.cuda.get_device_capability() < (8, 0)
    if asked == "bf16-mixed" and lacks_bf16:
        raise UserError(f"{key}=bf16-mixed: {_name('gpu')} has no bf16; take 16-mixed or auto")
    return asked


def native_precision(accelerator: str) -> str:
    """bf16 where the hardware multiplies it (Ampere and later; CPUs with AVX-512 BF16 or AMX), fp16
    on Volta and Turing, whose tensor cores know only fp16, else fp32."""
    if accelerator == "gpu":
        capability = torch.cuda.get_device_capability()
        half = "bf16-mixed" if capability >= (8, 0) else "16-mixed"
        return half if capability >= (7, 0) else "32-true"
    flags = _cpu_info("flags", "features").split() if accelerator == "cpu" else []
    return "bf16-mixed" if _NATIVE_BF16_FLAGS.intersection(flags) else "32-true"


def _cpu_info(*names: str) -> str:
    """The first value that /proc/cpuinfo has under one of these names; empty if it has none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in names:
                return value.strip()
    return ""


def _name(accelerator: str) -> str:
    if accelerator == "gpu":
        return str(torch.cuda.get_device_name())
    if accelerator == "mps":
        return "Apple GPU"
    cpu = _cpu_info("model name") or platform.processor() or platform.machine()
    return f"{cpu}, {torch.get_num_threads()} threads"
