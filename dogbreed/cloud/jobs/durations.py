"""How long jobs typically take, from this project's measurements (docs/benchmarks.md)."""

from dogbreed.cloud.aws.images import multiplies_bf16
from dogbreed.cloud.container.entry_point import EXTRACT, TUNE
from dogbreed.cloud.jobs.workload import Workload

# A vCPU is half a core. Measured: 86 views of photos a second (ResNet-50, bf16, with decoding) on
# two cores; a search of 20 trials of 20 epochs on 6,000 photos' features 60 s on two cores.
VIEWS_PER_VCPU_S = 20.0
WITHOUT_BF16 = 0.5  # of that: 27 instead of 51 photos/s
PHOTO_EPOCHS_PER_CORE_S = 20_000.0
# Until the training starts: the container, the packages, imports; and the upload. Small jobs of
# others were billed for 89 to 129 s.
START_S = 120.0
ASSUMPTIONS = (
    f"{VIEWS_PER_VCPU_S:.0f} views of photos a second and vCPU (half without bf16; ResNet-50), "
    f"{PHOTO_EPOCHS_PER_CORE_S:,.0f} photos and epochs a second and core from features, "
    f"{START_S:.0f} s for the start of each job"
)


def typical_s(
    work: Workload, kind: str, instance_type: str, *, vcpus: int, instances: int
) -> float:
    """The billed seconds of one job of a kind (entry_point.py), on each of its instances."""
    cores = max(1, vcpus // 2)
    rate = VIEWS_PER_VCPU_S * vcpus
    if multiplies_bf16(instance_type) is not True:
        rate *= WITHOUT_BF16
    features_s = work.views / rate
    head_s = work.photos * work.epochs / PHOTO_EPOCHS_PER_CORE_S
    if kind == EXTRACT:
        return START_S + features_s / instances
    if kind == TUNE:  # all trials in one job, one on each core
        return START_S + features_s + work.trials * head_s / cores
    return START_S + head_s + (0.0 if work.on_features else features_s / instances)
