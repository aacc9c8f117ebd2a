"""The process that decodes the files of strangers: `python -m core.imagery.child`, for `core.imagery.confined_picture`.

It limits itself before it opens anything (`core.confinement`). Then it answers questions, one JSON line each on stdin:
the first opens a file, the others ask for windows. An answer is a JSON line, for a window followed by its bytes:
colours (h, w, 3) or the numbers of a model's bands (h, w, C), then, where some pixels hold no data, a bit for each.
"""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.band_set import BandSet
from core.confinement import allow_seconds, answer, confine, leave_network, run
from core.errors import ImageError
from core.imagery.band_picture import open_picture
from core.imagery.limits import Limits
from core.out_of_memory import lacking, out_of_memory_as


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the questions end. What goes wrong is an answer too: `{"error": the end of a sentence}`."""
    first = json.loads(questions.readline())
    limits = Limits(**first["limits"])
    # GDAL and its tables are loaded before memory is counted.
    if first["warm"]:
        from core.imagery.tiff_picture import CACHE_MB, GDAL_SETTINGS

        # For PROJ too, which reads no settings of rasterio's.
        os.environ.update({**GDAL_SETTINGS, "GDAL_CACHEMAX": str(CACHE_MB)})
    leave_network()
    confine(limits.memory)
    allow_seconds(limits.seconds)
    try:
        with out_of_memory_as(ImageError(lacking("decoding", memory=limits.memory))):
            _answer_all(first, limits, questions, answers)
    except ImageError as error:
        answer(answers, {"error": str(error)})


def _answer_all(first: dict[str, Any], limits: Limits, questions: BinaryIO, answers: BinaryIO) -> None:
    """Open the file that the first question names, then give the windows that the others ask for."""
    numbers = tuple(first["bands"]) if first["bands"] else None
    wanted = BandSet.from_json(first.get("band_set"))
    picture = open_picture(Path(first["path"]), limits=limits, numbers=numbers, bands=wanted)
    answer(answers, {"info": json.loads(picture.info.to_json())})
    for line in questions:
        allow_seconds(limits.seconds)
        asked = json.loads(line)
        read = picture.read_seen if asked.get("seen") else picture.read
        values, valid = read(asked["y"], asked["x"], asked["height"], asked["width"])
        packed = b"" if valid is None else np.packbits(valid).tobytes()
        answer(answers, {"valid": valid is not None}, np.ascontiguousarray(values).data.cast("B"), packed)


if __name__ == "__main__":
    run(serve)
