"""Mask of a PNG or JPEG by an exported model: python segment.py photo.jpg mask.png [model-int8.onnx]

The picture is turned upright; fully transparent pixels are transparent (255) in the mask as well.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

folder = Path(__file__).parent
source, target, *other = sys.argv[1:]
session = onnxruntime.InferenceSession(folder / (other[0] if other else "model.onnx"))
picture = ImageOps.exif_transpose(Image.open(source, formats=("PNG", "JPEG")))
key, bits = picture.info.get("transparency"), Path(source).read_bytes()[24]
if picture.mode.startswith("I"):  # 16-bit grey
    grey, shown = np.round(np.asarray(picture) / 257).clip(0, 255), np.where(np.asarray(picture) == key, 0, 255)
    picture = Image.fromarray(np.dstack([grey, shown]).astype(np.uint8))
elif key is not None and picture.mode in ("L", "RGB") and bits != 8:  # as Pillow gives the colours of a PNG
    picture.info["transparency"] = tuple(value >> 8 for value in key) if bits == 16 else key * 255 // (2**bits - 1)
rgba = np.asarray((picture if picture.has_transparency_data else picture.convert("RGB")).convert("RGBA"))
seen = rgba[..., 3] > 0 if rgba[..., 3].any() else np.ones(rgba.shape[:2], bool)
answer = session.run(None, {"image": np.where(seen[..., None], rgba[..., :3], np.uint8(0))[None]})[0][0]
labels = np.where(seen, answer if answer.ndim == 2 else answer.argmax(0), 255).astype(np.uint8)
colours = np.ravel(json.loads((folder / "classes.json").read_text())["colours"])
mask = Image.fromarray(labels)
mask.putpalette(np.pad(colours, (0, 768 - colours.size)).tolist())
mask.save(target, transparency=255)
