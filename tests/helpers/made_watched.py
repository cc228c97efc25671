"""A training that was never watched and a run that was never timed, for tests of the report."""

from typing import Any

import numpy as np

from dogbreed.debug.profiling.profile import Phase, Profile, Rates, Sample, StepTimes
from dogbreed.debug.recording.records import Recording
from dogbreed.debug.rules.verdicts import FINE, FIRED, NOT_APPLICABLE, OFF, Point, Verdict
from dogbreed.evaluation.facts import Watched


def make_recording(
    layers: tuple[str, ...] = ("head.weight", "head.bias"), epochs: int = 12, per_epoch: int = 80
) -> Recording:
    """So many epochs; a record of the layers at every tenth step, the first weights being zero."""
    steps = np.arange(epochs * per_epoch)
    noise = np.random.default_rng(0).normal(0, 0.08, len(steps))
    falling = 0.4 + 4.3 * np.exp(-steps / 150)
    ends = np.arange(1, epochs + 1) * per_epoch - 1
    valid = 0.7 + 4 * np.exp(-ends / 150) + 0.6 * (ends / max(1, len(steps))) ** 3
    records = steps[::10, None]
    scale = np.linspace(1, 3, len(layers))
    weights = np.sqrt(records) * scale
    with np.errstate(divide="ignore"):
        ratio = 0.02 * scale / weights
    return Recording(
        layer_names=layers,
        steps={
            "step": steps,
            "cross_entropy": falling + noise,
            "top1": 1 - falling / 5,
            "lr": 0.0005 * (1 + np.cos(np.pi * steps / max(1, len(steps)))),
            "seconds": np.full(len(steps), 0.004),
        },
        layers={
            "step": steps[::10],
            "grad_norm": (scale * np.exp(-records / 400)).astype(np.float32),
            "weight_norm": weights.astype(np.float32),
            "update_ratio": ratio.astype(np.float32),
        },
        epochs={
            "epoch": np.arange(1, epochs + 1),
            "step": ends,
            "train_cross_entropy": falling[ends - per_epoch // 2],
            "train_top1": 1 - falling[ends] / 5,
            "valid_cross_entropy": valid,
            "valid_top1": 1 - valid / 6,
        },
        complete=True,
    )


def make_verdict(name: str, state: str = FINE, first: int | None = None, **more: Any) -> Verdict:
    """A rule's or a trigger's; one that fired did so at `first` and for 99 steps or seconds."""
    times = 0 if state != FIRED else 12
    given: dict[str, Any] = {
        "message": f"What {name} saw.",
        "recommendation": f"Set a key because of {name}.",
        "points": (Point(step=first or 0, values={"mean": 1.5, "rise_share": 0.0712}),)
        if times
        else (),
        "parameters": {"action": "warn", "patience": 3, "mean_below": 1e-8},
    }
    return Verdict(
        name=name,
        state=state,
        times=times,
        first_step=first,
        last_step=None if first is None else first + 99,
        **(given | more),
    )


def make_watched() -> Watched:
    """A training whose rules found this and that, two of them at the same step."""
    return Watched(
        recording=make_recording(),
        verdicts=(
            make_verdict("loss_not_finite"),
            make_verdict("overfit", FIRED, 639),
            make_verdict("overtraining", FIRED, 640),
            make_verdict("update_ratio", FIRED, 640),
            make_verdict("class_imbalance", FIRED),
            make_verdict("dead_units", NOT_APPLICABLE),
            make_verdict("stalled", OFF),
        ),
    )


def make_profile() -> Profile:
    """Of 165 s most went into features, whose parts were measured; there is a GPU."""
    fit = Phase(name="fit", seconds=20.0)
    features = Phase(
        name="features",
        seconds=134.0,
        parts=(Phase(name="decode wait", seconds=30.0), Phase(name="backbone", seconds=100.0)),
    )
    return Profile(
        total_s=165.0,
        phases=(Phase(name="check", seconds=6.0), features, fit),
        decode_s=301.0,
        steps=StepTimes(
            count=960,
            p50_s=0.00412,
            p95_s=0.0051,
            max_s=1.25,
            outliers=3,
            outlier_share=0.0312,
            slowest=((0, 1.25), (320, 0.09)),
        ),
        samples=tuple(
            Sample(
                elapsed_s=float(second),
                phase="check" if second < 6 else "features/compute" if second < 140 else "fit",
                cpu_share=0.93 if second < 140 else 0.3,
                memory_bytes=1_200_000_000 + 4_000_000 * second,
                read_bytes_per_s=40e6 if second < 30 else 0.0,
                written_bytes_per_s=float("nan") if second == 9 else 5e6,
                machine_share=0.97 if second < 140 else 0.35,
                io_wait_share=0.02,
                gpu_share=0.5,
                gpu_memory_share=0.25,
            )
            for second in range(161)
        ),
        cores=16,
        gpu="A made GPU",
        photos_per_s=Rates(features=412.0, limit=485.0, fit=12345.0),
        triggers=(
            make_verdict(
                "cpu_bottleneck",
                FIRED,
                12,
                points=(Point(step=12, values={"share": 0.25, "to_bytes": 3_000_000, "n": 12345}),),
            ),
            make_verdict("memory_growth"),
            make_verdict("gpu_memory", NOT_APPLICABLE),
        ),
    )
