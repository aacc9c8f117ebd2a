"""What the words in the names of files and folders tell: picture or mask, which view of a picture, and what is left."""

import re

from core.data.splits import split_of

IMAGE_WORDS = frozenset((
    "image", "images", "img", "imgs", "im", "rgb", "rgbs", "sat", "satellite", "photo", "photos", "picture", "pictures",
    "ortho", "orthos", "orthophoto", "orthophotos", "aerial", "jpegimages", "leftimg", "input", "inputs", "original",
    "originals", "source", "src", "raw", "scene", "scenes", "leftimg8bit",
))  # fmt: skip
MASK_WORDS = frozenset((
    "mask", "masks", "msk", "msks", "label", "labels", "lab", "lbl", "lbls", "gt", "gts", "groundtruth", "truth", "ann",
    "anns", "annotation", "annotations", "annot", "seg", "segs", "segmentation", "segmentations", "segmap", "semantic",
    "semantics", "semseg", "target", "targets", "indexmask", "indexmasks", "labelids", "classmask", "pngmask",
    "labelled", "labeled", "gtfine", "gtcoarse", "labeltrainids", "instance", "instances", "instanceids", "color",
    "colour",
))  # fmt: skip
ASIDE_WORDS = frozenset((
    "overlay", "overlays", "preview", "previews", "vis", "visualization", "visualisation", "visualizations",
    "visualisations", "thumb", "thumbs", "thumbnail", "thumbnails", "quicklook", "quicklooks", "blend",
))  # fmt: skip
HEIGHT_WORDS = frozenset((
    "dsm", "ndsm", "dem", "dtm", "chm", "elev", "elevs", "elevation", "elevations", "height", "heights", "heightmap",
    "agl", "rgealti", "lidar", "disparity",
))  # fmt: skip
_FEW_BANDS, _MANY_BANDS = (
    ("irrg", "nirrg", "cir"),
    ("rgbir", "rgbn", "rgbnir", "nirrgb", "mul", "ms", "mss", "psms", "8band"),
)
VIEW_WORDS = frozenset((
    "rgb", "rgbs", "3band",
    *_FEW_BANDS, *_MANY_BANDS, "multispectral", "pan", "pansharpen", "pansharpened", "ps", "psrgb",
    "nir", "ir", "infrared", "swir", "thermal", "tir", "sar", "vv", "vh", "ndvi",
))  # fmt: skip
"""Of one picture in other bands."""
COLOUR_WORDS = frozenset(("red", "green", "blue", "nir"))
"""Of one band of a picture that is a file of its own; so are codes such as B04."""
_IDS = re.compile(r"(?:instance|label|class|train)[ _.-]ids?(?=$|[ _.-])")
_CUT = re.compile(r"[ _.-]+")


def words_of(name: str) -> list[str]:
    """`train_Images2` → train, images; `SegmentationClass` → segmentation, class."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def without_ending(stem: str) -> str:
    """`a.jpg` → a: some masks keep the ending of their picture within their name."""
    return re.sub(r"\.(?:png|jpe?g|tiff?)$", "", stem, flags=re.IGNORECASE)


def key_of(stem: str) -> str:
    """What is left of a name without the words that say what it is: `a_mask`, `mask_a`, `A_sat` and `a.png` are `a`."""
    words = IMAGE_WORDS | MASK_WORDS
    text = _IDS.sub("labelids", without_ending(stem).lower())
    for _ in range(4):
        head = re.match(r"^([a-z]+)[ _.-]+(?=.)", text)
        tail = re.search(r"(?<=.)[ _.-]+([a-z]+(?:8bit)?)$", text)
        if tail and tail[1] in words:
            text = text[: tail.start()]
        elif head and head[1] in words:
            text = text[head.end() :]
    return text


def inner_key(stem: str) -> str:
    """The same also without such words within the name and those of a view: `10452_sat_08` → `10452_08`."""
    key = key_of(stem)
    kept = [part for part in _CUT.split(key) if part not in IMAGE_WORDS | MASK_WORDS | VIEW_WORDS]
    return "_".join(kept) or key


def view_of(*names: str) -> frozenset[str]:
    """The words in names that tell in which bands a picture is."""
    return frozenset(part for name in names for part in _CUT.split(name.lower()) if part in VIEW_WORDS)


def view_rank(view: frozenset[str]) -> int:
    """How well a view stands for its picture, best first: colours, no word, other three bands, more bands, the rest."""
    if view & {"rgb", "rgbs", "psrgb", "3band"}:
        return 0
    if not view:
        return 1
    return 2 if view & {*_FEW_BANDS} else 3 if view & {*_MANY_BANDS} else 4


def band_key(stem: str) -> tuple[str, str]:
    """A name without the word or code of one band, and that word: `red_patch_1` → (`patch_1`, `red`)."""
    parts = _CUT.split(stem.lower())
    bands = [part for part in parts if part in COLOUR_WORDS or re.fullmatch(r"b\d{1,2}a?", part)]
    return "_".join(part for part in parts if part not in bands), bands[-1] if bands else ""


def bare_folder(name: str, kept_words: frozenset[str] = frozenset()) -> str:
    """A folder's name without the words that say what it holds: empty for `images` and `2_Ortho_RGB`."""
    words = (IMAGE_WORDS | MASK_WORDS | VIEW_WORDS) - kept_words
    parts = re.split(r"[ _-]+", name.lower())
    kept = [part for part in parts if part not in words]
    return "" if len(kept) < len(parts) and all(part.isdigit() for part in kept) else "_".join(kept)


def direct_part(name: str) -> str:
    """What a folder is for, by a name that tells nothing else (`val`, `val_images`): train, val, test, or empty."""
    rest = "".join(word for word in words_of(name) if word not in IMAGE_WORDS | MASK_WORDS)
    return split_of(name) or split_of(rest)
