"""Mask of a picture by an exported model: python segment.py photo.jpg mask.png [model-int8.onnx]"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

folder = Path(__file__).parent
picture, target, *other = sys.argv[1:]
session = onnxruntime.InferenceSession(folder / (other[0] if other else "model.onnx"))
pixels = np.asarray(Image.open(picture).convert("RGB"))[None]
answer = session.run(None, {"image": pixels})[0][0]
mask = Image.fromarray(answer if answer.ndim == 2 else answer.argmax(0).astype(np.uint8))
mask.putpalette(np.ravel(json.loads((folder / "classes.json").read_text())["colours"]).tolist())
mask.save(target)
