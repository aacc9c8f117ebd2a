"""`python -m tools.synthetic --out sample_images --scenes 12`: build the shipped set again."""

import argparse
import sys
from pathlib import Path

from core.paths import SAMPLES
from tools.synthetic import synthesise
from tools.synthetic.samples import GEOREFERENCED, georeferenced, size_mb, write_georeferenced, write_samples


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.synthetic", description="Build the synthetic sample scenes.")
    parser.add_argument("--out", type=Path, default=SAMPLES, help="folder to write to (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=12, help="how many scenes, seeds 1 and up (default: %(default)s)")
    parser.add_argument("--size", type=int, default=1024, help="pixels along a side (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    if not (1 <= chosen.scenes <= 999 and 64 <= chosen.size <= 4096):
        parser.error("give 1 to 999 scenes of 64 to 4096 pixels")
    for seed in range(1, chosen.scenes + 1):
        write_samples(chosen.out, [synthesise(seed, size=chosen.size)])
        sys.stdout.write(f"scene {seed} of {chosen.scenes}\n")
    write_georeferenced(chosen.out / GEOREFERENCED, georeferenced(chosen.size))
    sys.stdout.write(f"{chosen.out}: {size_mb(chosen.out):.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
