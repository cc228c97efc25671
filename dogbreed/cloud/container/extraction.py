"""The job that extracts features: its part of the photos, into the folder that S3 gets."""

import json
import os
from pathlib import Path

from dogbreed.configuration.run import Config
from dogbreed.utils.clock import Clock, as_text


def extract(config: Config) -> None:
    """Compute this instance's shard of the features in the folder that is synchronized with S3.

    Raises:
        DogbreedError: the photos, the backbone or its weights can't be used.
    """
    from dogbreed.features.shard import share_folder, write_index
    from dogbreed.features.shard_backbone import write_backbone
    from dogbreed.training.features import extract_share
    from dogbreed.training.preparation import prepare
    from dogbreed.training.run_folder import log, log_to_terminal

    log_to_terminal()
    clock = Clock()
    prepared = prepare(config, clock)
    hosts: list[str] = json.loads(os.environ.get("SM_HOSTS", '["algo-1"]'))
    shard = sorted(hosts).index(os.environ.get("SM_CURRENT_HOST", hosts[0]))
    folder = Path("checkpoints")
    with clock.phase("features"):
        extract_share(prepared, share_folder(folder, shard), shard, len(hosts), clock)
    if shard == 0:
        write_backbone(folder, prepared.backbone, prepared.config.model.weights)
        write_index(folder, prepared.config.name, prepared.checked, prepared.choice)
    log.info("shard %d of %d: %s", shard + 1, len(hosts), as_text(clock.as_dict()))
