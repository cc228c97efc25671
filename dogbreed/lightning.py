"""BreedClassifier and BreedDataModule for Trainers of the package `lightning`.

    import lightning
    from dogbreed.lightning import BreedClassifier, BreedDataModule

They differ from dogbreed's own, which are for `pytorch_lightning`, in their base class only:
checkpoints of one are loaded by the other. dogbreed's callbacks and its profiler work with both.
"""

try:
    from lightning.pytorch import LightningDataModule, LightningModule
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "dogbreed.lightning needs the package lightning: pip install 'dogbreed[lightning]'."
    ) from error

from dogbreed.data_module import DataModuleBase
from dogbreed.model import ClassifierBase


# To type checkers the shared base is one of pytorch_lightning's; it is a plain class.
class BreedClassifier(ClassifierBase, LightningModule):  # type: ignore[misc]
    """As dogbreed.BreedClassifier, for `lightning`."""


class BreedDataModule(DataModuleBase, LightningDataModule):  # type: ignore[misc]
    """As dogbreed.BreedDataModule, for `lightning`."""
