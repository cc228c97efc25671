"""Which head a run uses: the trained one, or one that was fitted to the same cached features."""

from collections.abc import Mapping
from dataclasses import dataclass

from dogbreed.backbone.architecture import HEAD
from dogbreed.configuration.schema import AUTO
from dogbreed.data.batches import CachedPhotos
from dogbreed.data.layouts.splits import SPLITS, TEST, VALID
from dogbreed.evaluation.baseline import TRAINED, fit_heads, measure_baseline
from dogbreed.evaluation.facts import Baseline
from dogbreed.evaluation.linear_head import calibrated_loss
from dogbreed.evaluation.metrics.scores import Scores
from dogbreed.model import BreedClassifier
from dogbreed.training.context import RunContext
from dogbreed.training.run_folder import log
from dogbreed.utils.user_paths import optional_cache_dir

# Where nearly every validation photo is classified correctly, a lower loss is overconfidence.
MIN_GAIN_NATS = 0.05


@dataclass(frozen=True, kw_only=True)
class SelectedHead:
    """The name of the selected head, its uncalibrated scores by split, and the heads beside it."""

    name: str
    scores: Mapping[str, Scores]
    baselines: tuple[Baseline, ...]


def select_head(
    context: RunContext,
    model: BreedClassifier,
    trained: Mapping[str, Scores],
    cached: Mapping[str, CachedPhotos] | None,
) -> SelectedHead:
    """Fit the other heads; with model.head=auto `model` gets the one of the lowest calibrated loss
    on the validation photos, if that is MIN_GAIN_NATS below the trained one's. `trained` are the
    scores of the trained head."""
    config = context.config
    if not config.evaluate.baseline:
        return SelectedHead(name=TRAINED, scores=trained, baselines=())
    if cached is None:
        log.info("no other heads to compare with: they need features.store=true")
        return SelectedHead(name=TRAINED, scores=trained, baselines=())
    heads = fit_heads(cached, len(context.folders.classes), optional_cache_dir("baselines"))
    scores = {TRAINED: trained} | {
        head.name: {split: head.scores(cached[split]) for split in SPLITS} for head in heads
    }
    selected = TRAINED
    # Behind a trained stage the cached features aren't what the head sees.
    if config.model.head == AUTO and config.model.trainable == HEAD:
        losses = {name: calibrated_loss(each[VALID]) for name, each in scores.items()}
        best = min(losses, key=lambda name: losses[name])
        if losses[best] < losses[TRAINED] - MIN_GAIN_NATS:
            selected = best
        shown = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
        log.info("auto: the head is %s, by calibrated validation loss (%s)", selected, shown)
    for head in heads:
        if head.name == selected:
            model.replace_head(head.weights, head.bias)
    return SelectedHead(
        name=selected,
        scores=scores[selected],
        baselines=tuple(
            measure_baseline(head, scores[name], scores[selected][TEST])
            for name, head in ((TRAINED, None), *((head.name, head) for head in heads))
            if name != selected
        ),
    )
