"""The table of commands: `dogbreed`, every --help, conf/README.md and messages are made from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dogbreed.configuration.deploy import DeployConfig, QueryConfig, TeardownConfig
from dogbreed.configuration.pipeline import PipelineConfig
from dogbreed.configuration.run import (
    CompareConfig,
    Config,
    EvaluateRunConfig,
    PredictConfig,
    RunsConfig,
    ServeConfig,
)
from dogbreed.configuration.search import FinalConfig, TuneConfig

PROGRAM = "dogbreed"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: its name after `dogbreed`, and what help says of it.

    `conf/<name>.yaml` has the values of its keys. `usage` and `example` are what is typed after
    the command's name.
    """

    name: str
    module: str  # its main(arguments) runs the command; imported when the command is started
    script: str  # what starts it in a checkout, without the program `dogbreed`
    summary: str  # one line for the list of commands
    purpose: str
    usage: str
    example: str
    schema: type[Any]
    main_keys: tuple[str, ...]  # the most used ones: help shows them first
    extends: str | None = None  # the command whose keys it has too


_TRAINING_KEYS = (
    "data.root",
    "model.backbone",
    "model.weights",
    "trainer.epochs",
    "optim.lr",
    "data.batch_size",
    "data.fraction",
)

COMMANDS = (
    Command(
        name="train",
        module="dogbreed.train",
        script="python -m dogbreed.train",
        summary="train a classifier on folders of photos",
        purpose=(
            "Train a classifier on folders of photos. The frozen backbone runs once per photo; "
            "the head trains on its cached features. Without arguments it trains on six drawn "
            "classes, for a first look."
        ),
        usage="[GROUP=CHOICE ...] [KEY=VALUE ...]",
        example="data.root=PHOTOS optim.lr=0.003",
        schema=Config,
        main_keys=(*_TRAINING_KEYS, "seed", "resume", "name"),
    ),
    Command(
        name="predict",
        module="dogbreed.predict",
        script="python -m dogbreed.predict",
        summary="classify photos with a trained model",
        purpose=(
            "Classify photos with a trained model. PHOTO is a file, a folder (with everything "
            "below it; the answers go into a file, and the same command continues after an "
            "interruption), a URL, or - for the standard input. Exit code 0: every photo was "
            "classified; 1: some could not be."
        ),
        usage="[KEY=VALUE ...] PHOTO ...",
        example="model=outputs/latest photo.jpg",
        schema=PredictConfig,
        main_keys=("model", "top_k", "output", "explain"),
    ),
    Command(
        name="evaluate",
        module="dogbreed.evaluate",
        script="python -m dogbreed.evaluate",
        summary="metrics and report of a model on labelled photos",
        purpose=(
            "Evaluate a trained model on labelled photos, without training: metrics with "
            "intervals, the report and predictions.csv, as after a training. The folder of photos "
            "has one folder per class; classes that the model doesn't know are reported and left "
            "out."
        ),
        usage="data.root=PHOTOS [KEY=VALUE ...]",
        example="model=outputs/latest data.root=PHOTOS",
        schema=EvaluateRunConfig,
        main_keys=("data.root", "model", "data.split", "name", "output_root"),
    ),
    Command(
        name="compare-backbones",
        module="dogbreed.compare_backbones",
        script="python -m dogbreed.compare_backbones",
        summary="which backbone suits these photos, before a training",
        purpose=(
            "Compare backbones on folders of photos: a linear classifier on the features of each "
            "one whose weights are on this machine, with its test top-1, photos per second, size "
            "and licence, the best first. Then the command that trains the best is printed, with "
            "the other arguments typed here; it uses the features that were computed here."
        ),
        usage="data.root=PHOTOS [GROUP=CHOICE ...] [KEY=VALUE ...]",
        example="data.root=PHOTOS backbones=[efficientnet_lite2,resnet50=FILE]",
        schema=CompareConfig,
        main_keys=(
            "data.root",
            "backbones",
            "data.fraction",
            "data.size_px",
            "engine",
            "name",
            "output_root",
        ),
        extends="train",
    ),
    Command(
        name="runs",
        module="dogbreed.runs",
        script="python -m dogbreed.runs",
        summary="list the trainings, with their results",
        purpose=(
            "List the trainings in outputs/, the newest last: what each was trained on, its "
            "top-1 on the test photos with the 95 % interval, the keys that differ from the "
            "defaults, and which are the latest and the best. outputs/index.html compares two."
        ),
        usage="[output_root=FOLDER]",
        example="output_root=outputs",
        schema=RunsConfig,
        main_keys=("output_root",),
    ),
    Command(
        name="serve",
        module="dogbreed.serve",
        script="python -m dogbreed.serve",
        summary="answer over HTTP on this machine, with a web page",
        purpose=(
            "Classify photos over HTTP as a SageMaker endpoint does (/ping, /invocations), with "
            "a web page to drop a photo on, and metrics for Prometheus (/metrics). Ctrl-C stops "
            "the server once the pending requests are answered."
        ),
        usage="[KEY=VALUE ...]",
        example="model=outputs/latest port=8080",
        schema=ServeConfig,
        main_keys=("model", "port", "host", "token"),
    ),
    Command(
        name="tune",
        module="dogbreed.cloud.commands.tune",
        script="python launch/tune.py",
        summary="search for hyperparameters, local or on SageMaker",
        purpose=(
            "Search for the best hyperparameters: on SageMaker, or on this machine with "
            "launcher=local. Shows the trials and saves the best one, which the command `final` "
            "(launch/train.py) trains on all photos."
        ),
        usage="[+experiment=NAME] [GROUP=CHOICE ...] [KEY=VALUE ...]",
        example="+experiment=hpo launcher=local data.root=PHOTOS",
        schema=TuneConfig,
        main_keys=(
            "data.root",
            "model.backbone",
            "data.fraction",
            "search.trials",
            "search.name",
            "search.objective",
            "launcher.role",
            "launcher.instance_type",
            "dry_run",
        ),
        extends="train",
    ),
    Command(
        name="final",
        module="dogbreed.cloud.commands.final",
        script="python launch/train.py",
        summary="train the best of a search on all photos",
        purpose=(
            "Train with the best hyperparameters of a search, the newest by default, on all "
            "photos: where the search ran, or where `launcher` says. With best=null it trains "
            "the configuration itself, on SageMaker."
        ),
        usage="[best=SEARCH] [GROUP=CHOICE ...] [KEY=VALUE ...]",
        example="best=my-search launcher=local",
        schema=FinalConfig,
        main_keys=(
            "best",
            *_TRAINING_KEYS[:5],
            "launcher.role",
            "launcher.instance_type",
            "dry_run",
        ),
        extends="tune",
    ),
    Command(
        name="deploy",
        module="dogbreed.cloud.commands.deploy",
        script="python launch/deploy.py",
        summary="deploy a model to a SageMaker endpoint or batch job",
        purpose=(
            "Deploy a trained model on SageMaker, the newest by default: as an endpoint, which "
            "the command `query` uses and `teardown` deletes, or as a batch job over many photos."
        ),
        usage="[deploy=realtime|async|serverless|batch] [KEY=VALUE ...]",
        example="model=outputs/latest endpoint=dogs",
        schema=DeployConfig,
        main_keys=(
            "model",
            "endpoint",
            "deploy.instance_type",
            "deploy.ttl_hours",
            "deploy.role",
            "launcher.role",
            "launcher.region",
            "dry_run",
        ),
    ),
    Command(
        name="pipeline",
        module="dogbreed.cloud.commands.pipeline",
        script="python launch/pipeline.py",
        summary="the workflow as a SageMaker Pipeline",
        purpose=(
            "Create or update a SageMaker Pipeline: search, training of the best, evaluation on "
            "the test photos, registration if the top-1 accuracy is high enough; and a second "
            "one that deploys a model when it is approved in the registry."
        ),
        usage="[+experiment=NAME] [GROUP=CHOICE ...] [KEY=VALUE ...]",
        example="+experiment=hpo data.root=PHOTOS pipeline.min_top1=0.8",
        schema=PipelineConfig,
        main_keys=(
            "data.root",
            "search.trials",
            "pipeline.name",
            "pipeline.min_top1",
            "pipeline.group",
            "pipeline.endpoint",
            "pipeline.start",
            "launcher.role",
            "dry_run",
        ),
        extends="tune",
    ),
    Command(
        name="query",
        module="dogbreed.cloud.commands.query",
        script="python launch/query.py",
        summary="classify photos with an endpoint",
        purpose=(
            "Classify photos with an endpoint, by default the newest of this project. PHOTO is a "
            "file, a folder, a URL (fetched by this machine), or - for the standard input. Exit "
            "code 0: every photo was classified; 1: some could not be."
        ),
        usage="[KEY=VALUE ...] PHOTO ...",
        example="endpoint=dogs photo.jpg",
        schema=QueryConfig,
        main_keys=("endpoint", "top_k", "explain", "logs", "launcher.region"),
    ),
    Command(
        name="teardown",
        module="dogbreed.cloud.commands.teardown",
        script="python launch/teardown.py",
        summary="list and delete what the project made in AWS",
        purpose=(
            "List by its tag what this project made in the AWS account. endpoint=NAME or "
            "all=true deletes it and lists what is left. Exit code 1: something is left."
        ),
        usage="[endpoint=NAME | all=true] [KEY=VALUE ...]",
        example="endpoint=dogs",
        schema=TeardownConfig,
        main_keys=("endpoint", "all", "launcher.region"),
    ),
)
BY_NAME = {command.name: command for command in COMMANDS}

# What the user typed before a command's name; None: the command's own script was started.
_program: str | None = None


@contextmanager
def started_as(program: str) -> Iterator[None]:
    """While it lasts, `typed` names commands as this program's."""
    global _program
    before, _program = _program, program
    try:
        yield
    finally:
        _program = before


def typed(name: str) -> str:
    """How the user types a command, consistent with how this process was started.

    `dogbreed train`, `python -m dogbreed train`, or the script: `python -m dogbreed.train`.
    """
    command = BY_NAME[name]
    return command.script if _program is None else f"{_program} {name}"
