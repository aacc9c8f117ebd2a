"""How each shipped student does beside the shipped teacher on the scenes that it never saw: what Compare opens with.

    python -m benchmarks.scene_figures [--out FILE]

Run it after a shipped model or a scene has changed: `tests/ui/test_figures.py` asks for it. It takes a minute or two.
"""

import argparse
from pathlib import Path

from app import caching
from app.services import artifacts, scene_figures


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=scene_figures.SHIPPED)
    out: Path = options.parse_args().out
    models = {name: model for name, model in artifacts.models(None).items() if not (model.from_run or model.brought)}
    teacher = models.pop(artifacts.USUAL_TEACHER)
    pairs = {}
    for student in models.values():
        found = {}
        for picture in caching.test_scenes(teacher=teacher, student=student):
            found[picture.sha256] = scene_figures.figure(
                teacher=caching.mask(picture, teacher),
                student=caching.mask(picture, student),
                truth=picture.mask,
                classes=len(teacher.classes),
            )
            print(f"{student.name}, {picture.name}: {100 * found[picture.sha256].agreement:.1f} % agree", flush=True)
        pairs[scene_figures.pair_name(teacher=teacher, student=student)] = found
    scene_figures.write_shipped(pairs, out)


if __name__ == "__main__":
    main()
