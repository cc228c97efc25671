"""A command line of your own, by LightningCLI: python examples/lightning_cli.py fit --help.

    python examples/lightning_cli.py fit --data.root PHOTOS --model.lr 0.01 --trainer.max_epochs 20

Every argument of the classifier, the data and the Trainer is an option, or a key of --config FILE.
It needs jsonargparse: pip install 'jsonargparse[signatures]'.
"""

from pytorch_lightning.cli import ArgsType, LightningArgumentParser, LightningCLI

from dogbreed import BreedClassifier, BreedDataModule


def photos(
    root: str, backbone: str = "efficientnet_lite2", batch_size: int = 64, features: bool = True
) -> BreedDataModule:
    """Folders of photos, as features from the cache unless `features` is false."""
    return BreedDataModule.from_folder(
        root, backbone=backbone, batch_size=batch_size, features=features
    )


class Command(LightningCLI):
    """Classes and backbone of the model are those of the photos."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        for name in ("classes", "backbone"):
            parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")


def main(arguments: ArgsType = None) -> None:
    """Run the subcommand (fit, validate, test, predict) of `arguments`, or of the command line."""
    Command(BreedClassifier, photos, args=arguments)


if __name__ == "__main__":
    main()
