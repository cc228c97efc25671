"""Samples validation and test photos from training photos where a data set has no such splits.

The order is that of the hashes of names: a photo that is added moves few others, and none of
another class. Photos of a group stay together.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dogbreed.configuration.run import DataConfig
from dogbreed.data.layouts.splits import TEST, TRAIN, VALID, in_hash_order, sampling_unit
from dogbreed.errors import DataError

Found = tuple[Path, str, str]  # a photo, its class, its split


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How splits are sampled: the keys of the same names in the configuration's section data."""

    valid_share: float = 0.15
    test_share: float = 0.15
    split_seed: int = 0
    group: str | None = None

    @classmethod
    def of(cls, data: DataConfig) -> "Sampling":
        """As a configuration says."""
        return cls(
            valid_share=data.valid_share,
            test_share=data.test_share,
            split_seed=data.split_seed,
            group=data.group,
        )

    def shares(self, present: Collection[str]) -> dict[str, float]:
        """The fraction of each split that isn't `present`.

        Raises:
            DataError: they leave nothing to train on.
        """
        shares = {VALID: self.valid_share, TEST: self.test_share}
        missing = {split: share for split, share in shares.items() if split not in present}
        if sum(missing.values()) >= 1:
            raise DataError("data.valid_share and data.test_share leave nothing to train on.")
        return missing


SAMPLING = Sampling()


def sample_splits(
    found: Sequence[Found],
    shares: Mapping[str, float],
    root: Path,
    seed: int,
    groups: Mapping[Path, str],
) -> list[Found]:
    """Sample the splits of `shares` from each class's training photos.

    Without groups in exact proportion. With them a class is as close to it as groups of the size
    that they have come, and is in every split if it has enough groups.

    Raises:
        DataError: the groups are too few or too large for a split.
    """
    if not shares:
        return list(found)
    units: dict[bytes, Counter[str]] = defaultdict(Counter)
    for path, name, split in found:
        if split == TRAIN:
            units[sampling_unit(path, root, groups)][name] += 1
    sampler = _Sampler(units, shares)
    sampler.sample(in_hash_order(units, f"split/{seed}"))
    empty = set(shares) - set(sampler.split_of.values())
    if groups and units and empty:
        raise DataError(
            f"data.group makes {len(units):,} groups of the photos in {root}, and no class has "
            f"enough of them for {' and '.join(sorted(empty))} beside train, as a group stays in "
            "one split: choose smaller groups, or name the splits yourself."
        )
    return [
        (path, name, sampler.split_of.get(sampling_unit(path, root, groups), TRAIN))
        if split == TRAIN
        else (path, name, split)
        for path, name, split in found
    ]


class _Sampler:
    """Moves units (photos or groups of them, with their classes) out of the training split."""

    def __init__(self, units: Mapping[bytes, Counter[str]], shares: Mapping[str, float]) -> None:
        self.split_of: dict[bytes, str] = {}
        self._units = units
        photos: Counter[str] = Counter()
        self._left: Counter[str] = Counter()  # units of each class to train on
        for classes in units.values():
            photos.update(classes)
            self._left.update(classes.keys())
        self._wanted = {
            name: _wanted(total, self._left[name], shares) for name, total in photos.items()
        }
        # How many photos of each class a split lacks; below zero where it has too many.
        self._lacking = {
            split: {name: counts[split] for name, counts in self._wanted.items()}
            for split in shares
        }

    def sample(self, order: Sequence[bytes]) -> None:
        """Move each unit to the first split that it brings closer to its share."""
        for unit in order:
            split = next((each for each in self._lacking if self._improves(unit, each)), None)
            if split is not None:
                self._move(unit, split)
        for split, lacking in self._lacking.items():
            for name in sorted(lacking):
                if self._is_empty(name, split):
                    self._cover(name, split, order)

    def _cover(self, name: str, split: str, order: Sequence[bytes]) -> None:
        """Move the smallest group of a class that the split has no photo of, if one is spare."""
        inside = (unit for unit in order if name in self._units[unit] and unit not in self.split_of)
        spare = (unit for unit in inside if self._is_spare(unit, split))
        smallest = min(spare, key=lambda unit: self._units[unit].total(), default=None)
        if smallest is not None:
            self._move(smallest, split)

    def _improves(self, unit: bytes, split: str) -> bool:
        lacking = self._lacking[split]
        gain = sum(
            abs(lacking[name]) - abs(lacking[name] - count)
            for name, count in self._units[unit].items()
        )
        return gain > 0 and self._is_spare(unit, split)

    def _is_empty(self, name: str, split: str) -> bool:
        """Whether a split has no photo of a class, of which it is to have some."""
        return 0 < self._wanted[name][split] == self._lacking[split][name]

    def _is_spare(self, unit: bytes, split: str) -> bool:
        """Whether enough units of each of its classes stay to train on, and for other splits."""
        others = [each for each in self._lacking if each != split]
        return all(
            self._left[name] > 1 + sum(self._is_empty(name, each) for each in others)
            for name in self._units[unit]
        )

    def _move(self, unit: bytes, split: str) -> None:
        self.split_of[unit] = split
        for name, count in self._units[unit].items():
            self._left[name] -= 1
            self._lacking[split][name] -= count


def _wanted(photos: int, units: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many photos of a class go to each split: one at least, while units are left to train on.

    `units` are the groups of the photos, or the photos themselves.
    """
    wanted, remaining = {}, photos
    for number, (split, share) in enumerate(shares.items()):
        others = len(shares) - number
        count = min(max(1, round(share * photos)), max(1, remaining - others))
        wanted[split] = count if units > number + 1 else 0
        remaining -= wanted[split]
    return wanted
