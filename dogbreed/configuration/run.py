"""Every key of the configuration with its type, its range and one sentence.

The values are in conf/; nothing here has a default, so each value is defined in one place.
"""

from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.debug import DebugConfig
from dogbreed.configuration.loggers import LOGGERS
from dogbreed.configuration.optimizers import OPTIMIZERS
from dogbreed.configuration.schema import AUTO, Bounds, address_key, key, noun_key, path_key
from dogbreed.errors import ConfigError

_SIZE_PX = Bounds(at_least=32, at_most=1024)
_ROOT = (
    "photographs in class folders, or train/valid/test of them: a folder, a zip or tar archive of "
    "one, or s3://BUCKET/PREFIX"
)
_CROP_SHARE = Bounds(above=0, at_most=1)
CROP, PAD, STRETCH = FITS = ("crop", "pad", "stretch")


def check_fit(fit: str, crop_share: float | str) -> None:
    """Refuse a share of the photo for a fit that shows the network all of it.

    Raises:
        ConfigError: it is neither "auto" nor 1.
    """
    if fit != CROP and crop_share not in (AUTO, 1):
        raise ConfigError(
            f"crop_share={crop_share}: must be 1 with fit={fit}, which shows the network the whole "
            "photo (data.crop_share=auto is 1 then); or take fit=crop."
        )


@dataclass(frozen=True, kw_only=True)
class PixelsConfig:
    """What decides the pixels, once "auto" is resolved."""

    size_px: int = key("side of the square, in pixels", **_SIZE_PX)
    fit: str = key("how a photo that isn't square becomes one", choices=FITS)
    crop_share: float = key("side of the centre square, of the shorter side", **_CROP_SHARE)


@dataclass(frozen=True, kw_only=True)
class ColumnsConfig:
    """The columns of data.labels, for headers that don't say which is which."""

    photo: str | None = key("column of photos: paths, file names or ids; null: by its header")
    label: str | None = key("column of classes; null: by its header")
    split: str | None = key("column of train, valid and test; null: by its header, if there is one")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which photographs, and how they become pixels."""

    source: str = key(
        "what to train on where data.root is null",
        choices=("samples", "oxford_pets", "stanford_dogs", "dogimages"),
    )
    root: str | None = path_key(_ROOT)
    labels: str | None = path_key(
        "CSV file with the class of each photo, here or in data.root; null: folders are classes"
    )
    columns: ColumnsConfig
    group: str | None = key(
        "what keeps photos in one split: a column of data.labels, or a regular expression whose "
        "(group) in a photo's path is the same"
    )
    noun: str = noun_key("what pages and the terminal call a class, in the singular: class, breed")
    feature_set: str | None = path_key("folder of extracted features, in place of photographs")
    fraction: float = key(
        "fraction of each class's photos to use, in every split", above=0, at_most=1
    )
    valid_share: float = key(
        "fraction split off for validation where the root has none", above=0, below=1
    )
    test_share: float = key(
        "fraction split off for the test where the root has none", above=0, below=1
    )
    split_seed: int = key("seed of that split and of data.fraction", at_least=0)
    nested_classes: bool | None = key(
        "true: each folder with photos is a class (shoes/boots); false: each folder in the root or "
        "in a split, with all below it; null: stop where that matters"
    )
    links: bool = key("follow symbolic links that lead out of data.root; false: skip and report")
    max_bad_share: float = key(
        "fraction of unusable photos, from two on, that stops the run; 0: one stops it",
        at_least=0,
        at_most=1,
    )
    # The maximum is Pillow's own limit, which `predict` and the report also use.
    max_pixels: int = key(
        "a photo of more pixels than this is unusable", at_least=1, at_most=89_478_485
    )
    size_px: int | str = key(
        "side of the square that the network sees, in pixels; auto: the backbone's own", **_SIZE_PX
    )
    fit: str = key(
        "how a photo that isn't square becomes one; crop: its centre; pad: all of it, between "
        "bars; stretch: all of it, squashed",
        choices=FITS,
    )
    crop_share: float | str = key(
        "side of the centre square, as a fraction of the shorter side; auto: the backbone's own "
        "with data.fit=crop, else 1",
        **_CROP_SHARE,
    )
    batch_size: int = key(
        "photos per optimiser step, over all processes", at_least=1, at_most=1_000_000
    )
    workers: int | str = key(
        "processes or threads that decode photos; auto: one per core", at_least=0
    )

    def __post_init__(self) -> None:
        check_fit(self.fit, self.crop_share)


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """How folders of photos are searched for a model."""

    links: bool = key("follow symbolic links that lead out of a given folder; false: skip them")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network: a pretrained backbone and a head."""

    backbone: str = key("a network: efficientnet_lite2, one of torchvision's, or timm/NAME")
    weights: str = path_key("a file, a published name such as IMAGENET1K_V1, none, or auto")
    trainable: str = key("what is trained besides the head", choices=("head", "last_stage", "all"))
    head: str = key(
        "what turns features into logits; auto: a trained linear head, or logistic regression or "
        "discriminant analysis if its validation loss is lower by 0.05 nats",
        choices=(AUTO, "linear", "mlp"),
    )
    hidden: int = key("width of the mlp head's hidden layer", at_least=1, at_most=65_536)
    dropout: float = key("fraction of features dropped before the last layer", at_least=0, below=1)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """The optimiser, its schedule and the loss."""

    name: str = key("the optimiser", choices=OPTIMIZERS.names)
    lr: float = key("highest learning rate of the head", above=0, at_most=100)
    eps: float = key("added to Adam's denominator; sgd has none", above=0, at_most=1)
    weight_decay: float = key("weight decay per step", at_least=0, at_most=10)
    momentum: float = key("momentum of sgd; Adam uses its default betas", at_least=0, below=1)
    backbone_lr_scale: float = key(
        "learning rate of the trained backbone layers, as a fraction of optim.lr",
        above=0,
        at_most=1,
    )
    scheduler: str = key(
        "the learning rate over the run", choices=("onecycle", "cosine", "constant")
    )
    label_smoothing: float = key(
        "fraction of the target spread over all classes", at_least=0, below=1
    )
    class_weights: str = key(
        "weight of each class in the loss; balanced: 1 / its count", choices=("none", "balanced")
    )


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """How long, on how many processes."""

    epochs: int | str = key(
        "passes over the training photos; auto: 20, more for few", at_least=1, at_most=1_000_000
    )
    patience: int | str = key(
        "epochs without a better validation loss before stopping; 0: never; auto: a quarter",
        at_least=0,
        at_most=1_000_000,
    )
    strategy: str = key("several processes: ddp", choices=("auto", "ddp"))
    devices: int = key("processes (CPU) or GPUs to train on", at_least=1)
    checkpoint_minutes: float = key(
        "a long epoch saves its state this often; the end of an epoch always does",
        above=0,
        at_most=1440,
    )


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """The frozen part's output: computed once per photo, then read from the cache."""

    store: bool = key("false: run the backbone live on augmented photos in every epoch")
    views: int = key("1: centre; 2: and its mirror; more: and seeded crops", at_least=1, at_most=16)
    average: bool = key("validation and test average the views; false: they take the first")
    root: str | None = path_key("folder of the feature cache; null: ~/.cache/dogbreed/features")
    dtype: str = key("how features are stored on disk", choices=("float16", "float32"))


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is measured on a trained model."""

    folds: int = key(
        "parts for a cross-validation of the head over training and validation photos; 0: none",
        at_least=0,
        at_most=100,
    )
    baseline: bool = key(
        "logistic regression and discriminant analysis on the same features, for comparison and "
        "for model.head=auto"
    )
    known_share: float = key(
        "fraction of right answers that are expected to reach the threshold of unknown",
        above=0,
        at_most=1,
    )


@dataclass(frozen=True, kw_only=True)
class ArtifactConfig:
    """The formats in which the trained model is exported."""

    dtype: str = key("how weights are stored", choices=("float32", "float16"))
    openvino: bool = key("the compiled format that predict runs on a CPU, in bf16 where possible")
    int8: bool = key("quantise it too; used if validation top-1 falls by half a point at most")
    onnx: bool = key("also write model.onnx, its numbers checked")

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of the requested formats."""
        return tuple(name for name in ("openvino", "int8", "onnx") if getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where loggers that aren't files log to."""

    uri: str | None = address_key(
        "mlflow: its server, or the ARN of one on SageMaker; null: MLFLOW_TRACKING_URI, or else "
        "mlflow.db in the working folder"
    )
    experiment: str = key("mlflow: the experiment; wandb: the project")


@dataclass(frozen=True, kw_only=True)
class Config:
    """The complete configuration of a training run."""

    name: str = key("name of the run's folder; auto: that of the photos")
    # The maximum is that of NumPy's generator.
    seed: int = key("seed of weights, order and augmentation", at_least=0, at_most=4_294_967_295)
    engine: str = key("what runs the frozen part", choices=("auto", "openvino", "cuda", "torch"))
    precision: str = key(
        "of the frozen part; auto: bf16 where the machine has it", choices=("auto", "bf16", "f32")
    )
    lr_finder: bool = key("find optim.lr in a short run on the cached features, then train with it")
    resume: str | None = path_key(
        "auto: continue the newest unfinished run of this configuration and data; or a run's folder"
    )
    output_root: str = path_key("folder in which run folders are created")
    logger: tuple[str, ...] = key(
        "what also gets parameters, epochs, test metrics and the report; several: [csv,mlflow]",
        choices=LOGGERS.names,
    )
    tracking: TrackingConfig
    data: DataConfig
    model: ModelConfig
    optim: OptimConfig
    trainer: TrainerConfig
    features: FeaturesConfig
    evaluate: EvaluateConfig
    artifact: ArtifactConfig
    debug: DebugConfig

    @property
    def pixels(self) -> dict[str, Any]:
        """What is set of the backbone's preprocessing: what is "auto" is left out."""
        data = self.data
        whole = 1.0 if data.crop_share == AUTO and data.fit != CROP else data.crop_share
        settings = {"size_px": data.size_px, "fit": data.fit, "crop_share": whole}
        return {name: value for name, value in settings.items() if value != AUTO}

    @property
    def eval_views(self) -> int:
        """How many views of a photo are averaged in validation, test and the trained model."""
        return self.features.views if self.features.average else 1


@dataclass(frozen=True, kw_only=True)
class CompareConfig(Config):
    """The keys of a training, and the backbones that are compared for it."""

    backbones: tuple[str, ...] = key(
        "networks to compare, NAME or NAME=WEIGHTS (a file, or a name of published ones); []: all "
        "whose weights are on this machine"
    )


@dataclass(frozen=True, kw_only=True)
class TrainedConfig:
    """Which trained model is used, and how it is run."""

    model: str = path_key(
        "folder of a run or of a model; best: the run of the latest one's classes with the best "
        "validation top-1; latest"
    )
    engine: str = key(
        "what computes; auto: int8 if the model has it, else openvino, else torch; cuda: torch on "
        "a GPU",
        choices=("auto", "openvino", "int8", "torch", "cuda"),
    )
    precision: str = key(
        "of openvino and cuda; auto: bf16 where the processor has it",
        choices=("auto", "bf16", "f32"),
    )
    threads: int = key("cores to compute on; 0: all", at_least=0, at_most=1024)


@dataclass(frozen=True, kw_only=True)
class PredictConfig(TrainedConfig):
    """Which model classifies photos, and where the answers are written."""

    workers: int | str = key(
        "threads that read photos; auto: one per core", at_least=1, at_most=1024
    )
    top_k: int = key("classes per photo, the most likely first", at_least=1)
    output: str | None = path_key(
        "a .csv or .jsonl file for the answers; null: the terminal; predictions.csv for a folder"
    )
    explain: bool = key("also write each photo with a Grad-CAM overlay of its most likely class")
    embeddings: bool = key("also write each photo's features, as JSON lines")
    timeout_s: float = key("seconds that a URL may take in total", above=0, at_most=86400)
    max_bytes: int = key("largest photo of a URL, in bytes", at_least=1)
    data: FolderConfig


@dataclass(frozen=True, kw_only=True)
class LabelledConfig:
    """Which labelled photos a model is evaluated on."""

    root: str | None = path_key(_ROOT)
    labels: str | None = path_key(
        "CSV file with the class of each photo, here or in data.root; null: folders are classes"
    )
    columns: ColumnsConfig
    split: str = key(
        "the split that is evaluated, where the root or data.labels has splits",
        choices=("train", "valid", "test"),
    )
    nested_classes: bool | None = key(
        "true: each folder with photos is a class (shoes/boots); false: each folder in the root or "
        "in a split, with all below it; null: stop where that matters"
    )
    links: bool = key("follow symbolic links that lead out of data.root; false: skip and report")
    max_bad_share: float = key(
        "fraction of unreadable photos, from two on, that stops the evaluation; 0: one stops it",
        at_least=0,
        at_most=1,
    )
    max_pixels: int = key(
        "a photo of more pixels than this is unusable", at_least=1, at_most=89_478_485
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateRunConfig(TrainedConfig):
    """Which model is evaluated on which labelled photos, and where the results go."""

    name: str = key("name of the results' folder; auto: that of the photos with -evaluation")
    workers: int | str = key(
        "threads that read photos; auto: one per core", at_least=1, at_most=1024
    )
    output_root: str = path_key("folder that the results' folder is made in")
    data: LabelledConfig


@dataclass(frozen=True, kw_only=True)
class RunsConfig:
    """Which runs are listed."""

    output_root: str = path_key("folder of the runs")


@dataclass(frozen=True, kw_only=True)
class ServeConfig(TrainedConfig):
    """Which model classifies photos over HTTP, and on which address."""

    host: str = key("address to listen on")
    port: int = key("port to listen on; 0: any free port", at_least=0, at_most=65535)
    hosts: tuple[str, ...] = key(
        "names and addresses of the server, besides host, localhost and its own address"
    )
    token: str | None = key(
        "requests must bring it (Authorization: Bearer); null: the variable DOGBREED_TOKEN, if set"
    )
    queue: int = key(
        "photos of one client that may wait; a request beyond them gets 429", at_least=1
    )
    timeout_s: float = key(
        "seconds for a request's body to arrive, and for a photo's answer", above=0, at_most=3600
    )
    tiff: bool = key("also decode TIFFs of any client; else they get 415")
