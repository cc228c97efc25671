"""What a run uses of the machine, sampled each second beside it: cores, memory, disks, GPU."""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass, fields, replace
from typing import Any

import psutil

from dogbreed.debug.profiling.profile import Sample
from dogbreed.utils.clock import Clock
from dogbreed.utils.machine import cores

log = logging.getLogger("dogbreed")

INTERVAL_S = 1.0
MAX_SAMPLES = 1800  # then pairs become one: the samples of a long run take no more memory


class Sampler:
    """Samples this process and its children from `start` to `stop`, in a thread.

    The clock says since when, and which phase a sample belongs to.
    """

    def __init__(self, clock: Clock, interval_s: float = INTERVAL_S) -> None:
        self._clock, self._interval_s = clock, interval_s
        self._process = psutil.Process()
        self._samples: list[Sample] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._per_saved = 1  # how many samples each saved one is the mean of
        self.gpu = open_gpu()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All samples so far, in their order."""
        return tuple(self._samples)

    def _run(self) -> None:
        before = self._counters()
        waiting: list[Sample] = []
        while not self._ended.wait(self._interval_s):
            after = self._counters()
            waiting.append(self._sample(before, after))
            before = after
            if len(waiting) >= self._per_saved:
                self._samples.append(_mean(waiting))
                waiting.clear()
            if len(self._samples) >= MAX_SAMPLES:
                pairs = zip(self._samples[::2], self._samples[1::2], strict=False)
                self._samples[:] = [_mean(list(pair)) for pair in pairs]
                self._per_saved *= 2

    def _sample(self, before: "_Counters", after: "_Counters") -> Sample:
        elapsed = max(after.at - before.at, 1e-9)
        machine = max(after.machine_s - before.machine_s, 1e-9)
        sample = Sample(
            elapsed_s=after.at - self._clock.started,
            phase=self._clock.now,
            # A child that ends takes its seconds along.
            cpu_share=max(0.0, after.cpu_s - before.cpu_s) / elapsed / cores(),
            memory_bytes=after.memory_bytes,
            read_bytes_per_s=max(0, after.read_bytes - before.read_bytes) / elapsed,
            written_bytes_per_s=max(0, after.written_bytes - before.written_bytes) / elapsed,
            io_wait_share=max(0.0, after.io_wait_s - before.io_wait_s) / machine,
            machine_share=min(1.0, max(0.0, after.busy_s - before.busy_s) / machine),
        )
        if self.gpu is None:
            return sample
        try:
            use, memory = self.gpu.sample()
        except Exception as error:
            _warn(error)
            self.gpu = None
            return sample
        return replace(sample, gpu_share=use, gpu_memory_share=memory)

    def _counters(self) -> "_Counters":
        counters = _Counters(at=time.monotonic())
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.Error), process.oneshot():
                spent = process.cpu_times()
                counters.cpu_s += spent.user + spent.system
                counters.memory_bytes += process.memory_info().rss
                if hasattr(process, "io_counters"):  # not on macOS
                    done = process.io_counters()
                    counters.read_bytes += done.read_bytes
                    counters.written_bytes += done.write_bytes
        machine = psutil.cpu_times()
        counters.machine_s = sum(machine) - getattr(machine, "guest", 0.0)
        counters.io_wait_s = getattr(machine, "iowait", 0.0)  # Linux alone knows it
        counters.busy_s = counters.machine_s - machine.idle - counters.io_wait_s
        return counters


@dataclass
class _Counters:
    """What has been used since the processes began; memory is what is used now."""

    at: float
    cpu_s: float = 0.0
    memory_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    machine_s: float = 0.0
    io_wait_s: float = 0.0
    busy_s: float = 0.0


def _mean(samples: list[Sample]) -> Sample:
    """One sample for several: means, at the time and in the phase of the last."""

    last = samples[-1]
    values: dict[str, Any] = {"memory_bytes": max(sample.memory_bytes for sample in samples)}
    for name in (item.name for item in fields(Sample)):
        numbers = [getattr(sample, name) for sample in samples]
        if name not in ("elapsed_s", "phase", *values) and None not in numbers:
            values[name] = sum(numbers) / len(numbers)
    return replace(last, **values)


class Gpu:
    """The GPU that torch computes on, measured through NVML."""

    def __init__(self, nvml: Any, handle: Any, name: str) -> None:
        self._nvml, self._handle, self.name = nvml, handle, name

    def sample(self) -> tuple[float, float]:
        """Share of the time that it computed, and share of its memory in use."""
        memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
        use = self._nvml.nvmlDeviceGetUtilizationRates(self._handle)
        return float(use.gpu) / 100, float(memory.used) / float(memory.total)


def open_gpu() -> Gpu | None:
    """The GPU that torch computes on; None where there is none, or, with a warning, no NVML."""
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        pynvml.nvmlDeviceGetUtilizationRates(handle)  # some GPUs can't say
    except Exception as error:
        _warn(error)
        return None
    return Gpu(pynvml, handle, properties.name)


def _warn(error: Exception) -> None:
    """NVML fails in its own ways on every system; none of them is worth the training."""
    log.warning("warning: the GPU's use isn't profiled: NVML gives no answer (%s)", error)
