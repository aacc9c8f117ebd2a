"""Wrong labels made on purpose, and teachers that never judge a picture which they learned from.

    python benchmarks/noisy_labels.py make DIR [--share 0.3] [--seed 0] [--folds 4] [--data DUBAI]
    python benchmarks/noisy_labels.py answers DIR --teachers A B C D [--confidence 0.5]

`make` writes `DIR/noisy` (links to parts 1 to 7 of each tile with corrupted labels, and to part 8 with its own) and
for each fold `DIR/fold-K/teacher` (without the pictures of the fold) and `DIR/fold-K/asked` (these alone, no labels).
Train a teacher on each `teacher` folder with `python -m core train --data`; `answers` has each of them answer on the
pictures that it never saw, and writes `DIR/cross-fitted`: the same pictures with these answers in the place of labels.
"""

import argparse
import json
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dubai_parts import CHOOSES, TILES, Part, link_folder, parts
from core.classes import ClassMap
from core.config.pseudo_mask_order import PictureSource, PseudoMaskOrder
from core.data.datasets.dubai import DUBAI
from core.data.folder import find_pairs, load_pair
from core.data.palette import to_rgb
from core.errors import ConfigError
from core.image import encode_png
from core.infer.pseudo_masks import write_pseudo_masks

SHARE, CONFIDENCE = 0.3, 0.5
"""Of the regions that are corrupted; and the least probability with which a teacher's answer counts."""
LEAST_REGION, FARTHEST = 64, 12
"""Smaller regions, in pixels, are left as they are; a shifted one moves by so many pixels at most, each way."""


def corrupt(mask: NDArray[np.uint8], *, share: float, seed: int, outputs: int, ignore_index: int) -> NDArray[np.uint8]:
    """Shift, swap or drop a share of the regions of a mask, in turn.

    Args:
        mask: Class indices (H, W).
        share: Of the regions of at least `LEAST_REGION` pixels, 0 to 1.
        seed: The same seed corrupts the same mask in the same way.
        outputs: How many classes there are to swap between.
        ignore_index: Of pixels that nobody labelled: these stay so, and nothing else becomes one.

    Returns:
        Class indices (H, W).
    """
    random = np.random.default_rng(seed)
    found = regions(mask, ignore_index, least=LEAST_REGION)
    chosen = random.permutation(len(found))[: round(share * len(found))]
    made = mask.copy()
    for turn, at in enumerate(sorted(chosen.tolist())):
        region = found[at]
        own = int(mask[region][0])
        if turn % 3 == 1:
            made[region] = random.choice([index for index in range(outputs) if index != own])
            continue
        made[region] = _around(mask, region, ignore_index, own)
        if turn % 3 == 0:
            down, across = random.integers(1, FARTHEST + 1, 2) * random.choice([-1, 1], 2)
            made[_shifted(region, int(down), int(across), mask.shape)] = own
    made[mask == ignore_index] = ignore_index
    return made


Region = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns of its pixels."""


def regions(mask: NDArray[np.uint8], ignore_index: int, *, least: int = 1) -> list[Region]:
    """Connected pixels of one class (sides touch), `least` of them or more, in the order of their first pixels."""
    numbers = label(mask.astype(np.int32) + 1, background=ignore_index + 1, connectivity=1)
    order = np.argsort(numbers, axis=None, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers.ravel()[order])) + 1)
    kept = [group for group in groups if len(group) >= least and numbers.ravel()[group[0]] > 0]
    return [(group // mask.shape[1], group % mask.shape[1]) for group in kept]


def folds(pictures: Sequence[Part], count: int, *, seed: int) -> tuple[frozenset[Part], ...]:
    """The pictures parted into `count` folds, each in one of them. Raises `ConfigError` for too few of either."""
    if not 2 <= count <= len(pictures):
        raise ConfigError(f"{len(pictures)} pictures make 2 to {len(pictures)} folds, not {count}.")
    order = np.random.default_rng(seed).permutation(len(pictures))
    ordered = sorted(pictures)
    return tuple(frozenset(ordered[at] for at in order[first::count]) for first in range(count))


def make(root: Path, source: Path, *, share: float, seed: int, count: int) -> None:
    """Write the noisy dataset and the folders of the folds, as the module says."""
    client, chooses = parts(TILES, range(1, 8)), parts(TILES, [CHOOSES])
    noisy = write_noisy(root / "noisy", source, client, share=share, seed=seed)
    link_folder(noisy, source, chooses)
    for number, fold in enumerate(folds(sorted(client), count, seed=seed)):
        link_folder(root / f"fold-{number}" / "teacher", noisy, (client - fold) | chooses)
        link_folder(root / f"fold-{number}" / "asked", noisy, fold, labels=False)


def write_noisy(folder: Path, source: Path, pictures: frozenset[Part], *, share: float, seed: int) -> Path:
    """Links to these pictures, and their masks corrupted, in the colours of the classes."""
    classes: ClassMap = DUBAI.classes
    link_folder(folder, source, pictures, labels=False)
    for pair in find_pairs(source)[0]:
        key = (int(pair.tile.removeprefix("Tile ")), pair.part)
        if key not in pictures:
            continue
        scene, _ = load_pair(pair, classes)
        assert scene.mask is not None
        made = corrupt(
            scene.mask,
            share=share,
            seed=seed * 1000 + sum(10 * each for each in key if each),
            outputs=classes.outputs,
            ignore_index=classes.ignore_index,
        )
        target = folder / pair.tile / "masks" / f"{pair.image.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_png(to_rgb(made, classes)))
    return folder


def answers(root: Path, teachers: Sequence[str], *, confidence: float) -> Path:
    """`root/cross-fitted`: each picture with the answers of the teacher of its fold, and part 8 with its own labels."""
    target = root / "cross-fitted"
    shutil.rmtree(target, ignore_errors=True)
    for number, teacher in enumerate(teachers):
        asked = PictureSource(folder=str(root / f"fold-{number}" / "asked"))
        order = PseudoMaskOrder(teacher, asked, f"fold-{number}", confidence=confidence)
        made = root / f"fold-{number}" / "answers"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        write_pseudo_masks(order, made)
        for kind in ("images", "masks"):
            for file in sorted((made / kind).iterdir()):
                tile, _, stem = file.name.partition("_")
                place = target / tile / kind / stem
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(file.resolve())
    link_folder(target, root / "noisy", parts(TILES, [CHOOSES]))
    return target


def corrected(root: Path) -> Path:
    """`root/corrected`: the noisy labels, with the answers of `root/cross-fitted` wherever these are sure."""
    classes, target = DUBAI.classes, root / "corrected"
    sure = {pair.name: pair for pair in find_pairs(root / "cross-fitted")[0] if pair.mask is not None}
    for pair in find_pairs(root / "noisy")[0]:
        key = (int(pair.tile.removeprefix("Tile ")), pair.part)
        if key[1] == CHOOSES or pair.name not in sure:
            continue
        labels, answer = (load_pair(each, classes)[0].mask for each in (pair, sure[pair.name]))
        assert labels is not None
        assert answer is not None
        known = (answer != classes.ignore_index) & (labels != classes.ignore_index)
        place = target / pair.tile / "masks" / f"{pair.image.stem}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encode_png(to_rgb(np.where(known, answer, labels), classes)))
    link_folder(target, root / "noisy", parts(TILES, range(1, 8)), labels=False)
    return link_folder(target, root / "noisy", parts(TILES, [CHOOSES]))


def answered(root: Path, teachers: Sequence[str], *, confidence: float = CONFIDENCE) -> float:
    """What `answers` writes, once for these teachers; the seconds that the processor worked for it."""
    told, wanted = root / "answered.json", {"teachers": list(teachers), "confidence": confidence}
    before = json.loads(told.read_text()) if told.exists() else {}
    if {key: before.get(key) for key in wanted} != wanted:
        started = _worked()
        answers(root, teachers, confidence=confidence)
        before = {**wanted, "seconds": _worked() - started}
        told.write_text(json.dumps(before))
    return float(before["seconds"])


def _worked() -> float:
    """Seconds that the processor has worked for this process, and for those of it that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _shifted(region: Region, down: int, across: int, shape: tuple[int, ...]) -> Region:
    """The same pixels so many rows and columns away, without those that would lie outside (H, W)."""
    rows, columns = region[0] + down, region[1] + across
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return rows[inside], columns[inside]


def _around(mask: NDArray[np.uint8], region: Region, ignore_index: int, own: int) -> int:
    """The class that most sides of a region touch; its own where it has no neighbours."""
    sides = [mask[_shifted(region, *step, mask.shape)] for step in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    beside = np.concatenate(sides)
    # Regions are as large as they can be: a pixel beside one that has its class is one of it.
    beside = beside[(beside != own) & (beside != ignore_index)]
    return int(np.bincount(beside).argmax()) if beside.size else own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--share", type=float, default=SHARE)
    making.add_argument("--seed", type=int, default=0)
    making.add_argument("--folds", type=int, default=4)
    making.add_argument("--data", metavar="DIR", help="the Dubai dataset (default: where it is by default)")
    asking = verbs.add_parser("answers")
    asking.add_argument("folder", type=Path)
    asking.add_argument("--teachers", nargs="+", required=True, help="one a fold, in their order")
    asking.add_argument("--confidence", type=float, default=CONFIDENCE)
    args = parser.parse_args()
    if args.verb == "make":
        make(args.folder, DUBAI.require_here(args.data), share=args.share, seed=args.seed, count=args.folds)
    else:
        answers(args.folder, args.teachers, confidence=args.confidence)


if __name__ == "__main__":
    main()
