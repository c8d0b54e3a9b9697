"""The devices of a run: one or several, on one machine or several, by Lightning Fabric.

Paper: Sec. 5.1 trains on two GPUs. Processes are started by Fabric itself (`--devices 2`), by torchrun or by SLURM.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import nn

from rimlib.device import pick_device
from rimlib.errors import RimError
from rimlib.training import loop

logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces each precision
DTYPES = {"bf16-mixed": "bfloat16", "16-mixed": "float16", "32-true": "float32"}  # as records say it
PRECISIONS = {"bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32-true"}


def launch(
    device: str | None = None, devices: int = 1, nodes: int = 1, precision: str = "auto", unused: bool = False
) -> Fabric:
    """The devices of a run, started.

    Args:
        device: such as cuda, cuda:1, mps or cpu; None finds the best kind.
        devices: how many of them on each machine; torchrun and SLURM say it themselves.
        nodes: how many machines.
        precision: that matrices are multiplied in: "bf16", "fp16", "fp32", or "auto": bfloat16 where the hardware has
            it.
        unused: whether some steps leave parameters without a gradient.

    Raises:
        RimError: a device that is not there, a precision that it has not.
    """
    chosen = pick_device(device)
    devices, nodes = _started_by_others() or (devices, nodes)
    there = torch.cuda.device_count() if chosen.type == "cuda" else os.cpu_count() if chosen.type == "cpu" else 1
    if devices > (there or 1):
        raise RimError(f"--devices {devices}: this machine has {there} of the kind {chosen.type}", setting="devices")
    if precision == "fp16" and chosen.type != "cuda":
        raise RimError(f"train.precision fp16: must be bf16 or fp32 on {chosen.type}", setting="train.precision")
    if precision == "auto":
        precision = "bf16" if loop.precision(chosen) == "bfloat16" else "fp32"
    several = devices * nodes > 1
    if several and hasattr(sys, "ps1"):
        raise RimError(f"--devices {devices}: a notebook has one; give the command to a terminal", setting="devices")
    numbers: Any = [chosen.index] if chosen.index is not None and not several else devices
    fabric = Fabric(
        accelerator=chosen.type,
        devices=numbers,
        num_nodes=nodes,
        strategy=DDPStrategy(find_unused_parameters=unused) if several else "auto",
        precision=PRECISIONS[precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def dtype(fabric: Fabric) -> str:
    """The type that matrices are multiplied in."""
    return DTYPES[str(fabric._precision.precision)]


def _started_by_others() -> tuple[int, int] | None:
    """(devices of a machine, machines) where torchrun or SLURM has started this process."""
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        return int(os.environ.get("SLURM_NTASKS_PER_NODE", int(os.environ.get("SLURM_NTASKS", 1)) // nodes)), nodes
    return None


def synchronise_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """Let every batch norm take its statistics over all devices, in place where the device is a CPU.

    Ours: the paper does not mention it. So two devices compute what one does with the whole batch.
    """
    if device.type != "cpu":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CPUSyncBatchNorm
    return model


class SumOverDevices(torch.autograd.Function):
    """The sum of a tensor over all devices; its gradient is summed too."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Of equal shapes on each."""
        value = value.clone()
        torch.distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Each has used the sum."""
        gradient = gradient.clone()
        torch.distributed.all_reduce(gradient)
        return gradient


class CPUSyncBatchNorm(nn.BatchNorm2d):
    """`nn.SyncBatchNorm`, which torch has for GPUs alone, for maps (B, C, H, W) on CPUs; equal shapes on each."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As `nn.BatchNorm2d`, with the statistics of all devices while training."""
        if not self.training:
            return super().forward(x)
        world = torch.distributed.get_world_size()
        count = world * x.numel() // x.shape[1]
        maps = x.float()
        mean = SumOverDevices.apply(maps.mean(dim=(0, 2, 3))) / world
        variance = SumOverDevices.apply((maps - mean[:, None, None]).square().mean(dim=(0, 2, 3))) / world
        with torch.no_grad():
            mean_so_far, variance_so_far, batches = self.buffers()
            batches += 1
            mean_so_far.lerp_(mean, self.momentum or 0.0)
            variance_so_far.lerp_(variance * (count / (count - 1)), self.momentum or 0.0)
        scale = self.weight * (variance + self.eps).rsqrt()
        return ((maps - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
