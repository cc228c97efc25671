"""The keys that a search may vary, which are all that its result may set.

Whatever leaves a search (best.yaml, the trials of a job, a study's database) may come from somebody
else: it can choose how a model is trained, within the schema's ranges, and nothing beyond.
"""

from collections.abc import Mapping
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import argument, brief, keys
from dogbreed.errors import ConfigError
from dogbreed.utils.printable import printable

Value = float | int | str | bool

# They decide how good a model is, and nothing else: none names a path, an account, a limit of
# what is read, or what is written.
SEARCHABLE = (
    *(name for name, _, _ in keys(Config) if name.startswith("optim.")),
    *("model.backbone", "model.trainable", "model.head", "model.hidden", "model.dropout"),
    *("data.batch_size", "data.size_px", "data.crop_share"),
    *("features.store", "features.views", "features.average"),
    *("trainer.epochs", "trainer.patience", "seed"),
)
MAX_CHARACTERS = 100  # of a key or a text; the longest name of a network has 25


def searched_values(values: Mapping[Any, Any]) -> dict[str, Value]:
    """Values of searchable keys as somebody else wrote them, each in its key's own type.

    Raises:
        ConfigError: a key that can't be searched, or a value that it doesn't take.
    """
    found: dict[str, Value] = {}
    for name, value in values.items():
        if name not in SEARCHABLE:
            raise ConfigError(
                f"{printable(str(name)[:MAX_CHARACTERS])}={printable(brief(value))}: this is no "
                "key that a search can vary, and its result sets no other. Remove it there; what "
                "is meant for this training is typed, as KEY=VALUE."
            )
        if not isinstance(value, Value) or (isinstance(value, str) and len(value) > MAX_CHARACTERS):
            raise ConfigError(
                f"{name}={printable(brief(value))}: must be one number or word, true or false."
            )
        found[name] = argument(Config, name, value, name=name)
    return found
