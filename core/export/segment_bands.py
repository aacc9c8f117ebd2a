"""Mask of a TIFF with the bands of card.json by an exported model: python segment.py in.tif mask.tif [model-int8.onnx]

Bands are found by the names in the file, or by their order where it has as many. The place of the picture is kept.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import rasterio

folder = Path(__file__).parent
source, target, *other = sys.argv[1:]
session = onnxruntime.InferenceSession(folder / (other[0] if other else "model.onnx"))
bands = json.loads((folder / "card.json").read_text())["bands"]
with rasterio.open(source) as file:
    names = [str(name or "").strip().lower() for name in file.descriptions]
    wanted = [name.strip().lower() for name in bands["names"]]
    if all(names.count(name) == 1 for name in wanted):
        numbers = [names.index(name) + 1 for name in wanted]
    elif file.count == len(wanted):
        numbers = list(range(1, file.count + 1))
    else:
        sys.exit(f"{source} has {file.count} bands; the model takes {', '.join(bands['names'])}, in this order.")
    held = {file.dtypes[number - 1] for number in numbers}
    if bands["depth"] != "float32" and held != {bands["depth"]}:
        sys.exit(f"{source} holds {', '.join(sorted(held))}; the model takes {bands['depth']}.")
    values, seen = file.read(numbers), file.dataset_mask() > 0
    profile = {"driver": "GTiff", "width": file.width, "height": file.height, "count": 1, "dtype": "uint8"}
    profile |= {"nodata": 255, "compress": "deflate", "crs": file.crs, "transform": file.transform}
if values.dtype.kind == "f":
    seen &= np.isfinite(values).all(axis=0)
picture = np.where(seen, values, 0).astype(bands["depth"]).transpose(1, 2, 0)
answer = session.run(None, {"image": np.ascontiguousarray(picture)[None]})[0][0]
labels = np.where(seen, answer if answer.ndim == 2 else answer.argmax(0), 255).astype(np.uint8)
colours = json.loads((folder / "classes.json").read_text())["colours"]
with rasterio.open(target, "w", **profile) as file:
    file.write(labels, 1)
    file.write_colormap(1, {index: (*colour, 255) for index, colour in enumerate(colours)})
