"""The keys that a search may vary and that its result may set.

Results of a search (best.yaml, a job's trials, a study's database) may come from another user. They
can set only how a model is trained, within the ranges of the schema.
"""

from collections.abc import Mapping
from typing import Any

from dogbreed.configuration.run import Config
from dogbreed.configuration.schema import argument, brief, keys
from dogbreed.errors import ConfigError
from dogbreed.utils.printable import printable

Value = float | int | str | bool

# They affect the model's quality only: none is a path, an account, a limit of what is read, or an
# output option.
SEARCHABLE = (
    *(name for name, _, _ in keys(Config) if name.startswith("optim.")),
    *("model.backbone", "model.trainable", "model.head", "model.hidden", "model.dropout"),
    *("data.batch_size", "data.size_px", "data.fit", "data.crop_share"),
    *("features.store", "features.views", "features.average"),
    *("trainer.epochs", "trainer.patience", "seed"),
)
MAX_CHARACTERS = 100  # of a key or a string; the longest backbone name has 25


def searched_values(values: Mapping[Any, Any]) -> dict[str, Value]:
    """Validate untrusted values of searchable keys; return them in the type of their key.

    Raises:
        ConfigError: a key that can't be searched, or an invalid value.
    """
    found: dict[str, Value] = {}
    for name, value in values.items():
        if name not in SEARCHABLE:
            raise ConfigError(
                f"{printable(str(name)[:MAX_CHARACTERS])}={printable(brief(value))}: a search "
                "can't vary this key, so its result can't set it. Remove it there, and add it to "
                "the command as KEY=VALUE if this training needs it."
            )
        if not isinstance(value, Value) or (isinstance(value, str) and len(value) > MAX_CHARACTERS):
            raise ConfigError(
                f"{name}={printable(brief(value))}: must be a number, a word, true or false."
            )
        found[name] = argument(Config, name, value, name=name)
    return found
