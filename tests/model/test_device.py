"""Which device and precision `auto` comes to."""

import platform
import subprocess

import pytest
import torch

from imdb_cls.config import TrainerConfig
from imdb_cls.errors import UserError
from imdb_cls.model import device


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ({"avx512f", "avx512_bf16"}, "bf16-mixed"),
        ({"amx_tile", "amx_bf16"}, "bf16-mixed"),
        ({"asimd", "bf16"}, "bf16-mixed"),
        ({"avx2", "avx512f", "avx512_vnni"}, "32-true"),
        (set(), "32-true"),
    ],
)
def test_a_cpu_trains_in_bf16_if_it_multiplies_it(
    flags: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_cpu_info", lambda *names: " ".join(flags))
    assert device.native_precision("cpu") == precision


@pytest.mark.parametrize(
    ("capability", "precision"),
    [
        ((9, 0), "bf16-mixed"),
        ((8, 0), "bf16-mixed"),
        ((7, 5), "16-mixed"),
        ((7, 0), "16-mixed"),
        ((6, 0), "32-true"),
    ],
    ids=["H100", "A100", "T4", "V100", "P100"],
)
def test_a_gpu_trains_in_what_its_tensor_cores_take(
    capability: tuple[int, int], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert device.native_precision("gpu") == precision


def test_this_machines_flags_are_read() -> None:
    if device.platform.system() == "Linux":
        assert len(device._cpu_info("flags", "features").split()) > 5


def test_a_precision_can_be_set() -> None:
    resolved = device.choose_device(TrainerConfig(accelerator="cpu", precision="32-true"))
    assert (resolved.accelerator, resolved.precision) == ("cpu", "32-true")


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(UserError, match=r"trainer.precision=16-mixed: a CPU has no fp16"):
        device.choose_device(TrainerConfig(accelerator="cpu", precision="16-mixed"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r"trainer.accelerator=gpu: "):
        device.choose_device(TrainerConfig(accelerator="gpu"))


@pytest.mark.parametrize(
    ("capability", "architectures"),
    [
        ((7, 0), ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80"]),  # torch 2.5 on a V100
        ((8, 6), ["sm_75", "sm_80", "sm_90"]),  # an A10G runs what was built for 8.0
        ((9, 0), ["sm_90a"]),
        ((12, 0), ["sm_80", "compute_90"]),  # compiled when it is loaded
    ],
)
def test_a_gpu_that_torch_has_kernels_for_is_taken(
    capability: tuple[int, int], architectures: list[str]
) -> None:
    device.check_kernels(capability, architectures)


@pytest.mark.parametrize(
    ("capability", "architectures"),
    [
        ((7, 0), ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]),  # torch 2.9 on a V100
        ((8, 0), ["sm_86", "sm_90"]),
        ((7, 0), ["sm_75", "compute_80"]),
    ],
)
def test_a_gpu_without_kernels_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], architectures: list[str]
) -> None:
    monkeypatch.setattr(device, "_name", lambda accelerator: "Tesla V100")
    with pytest.raises(UserError, match=r"has no kernels for Tesla V100 \(sm_[78]0\)"):
        device.check_kernels(capability, architectures)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_what_a_step_frees_is_there_for_the_next_one(python: list[str]) -> None:
    """Else the system would clear each page of a large tensor again, in every step."""
    program = """
import resource, sys, torch
from imdb_cls.config import TrainerConfig
from imdb_cls.model.device import choose_device

def faults():
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start

before = faults()
choose_device(TrainerConfig(accelerator="cpu"))
faults()
print(before, faults())
"""
    done = subprocess.run([*python, "-c", program], capture_output=True, text=True, timeout=60)
    before, after = map(int, done.stdout.split())
    assert after < before / 100
