"""What a visitor brought is read and written in a process with limits, which answers in files of one folder."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from core import paths
from core.data.description import read_description
from core.data.import_order import MADE, PROBLEM, REPORT, SEEN, ImportOrder
from core.data.import_process import carry_out, choices_json, proposal_of
from core.data.importing import ImportChoices
from core.errors import ConfigError, DataError, TerrastillError
from core.image import encode_png, read_raw
from tests.unit.data.pictures import random_image

TONES = np.array([(200, 60, 40), (40, 180, 60), (50, 60, 200), (190, 190, 190)], np.uint8)
VALUES = np.array([3, 17, 90, 201], np.uint8)


def odd_zip(path: Path, *, pictures: int = 6) -> Path:
    """Four classes of odd values below a top folder, two masks 1 pixel larger, one picture without a mask."""
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(pictures):
            side = 41 if number in (1, 2) else 40
            cells = (np.add.outer(np.arange(side) // 10, np.arange(side) // 10) + number) % 4
            noise = random_image(number, height=40, width=40) // 8
            packed.writestr(f"top/photos/plot_{number}.png", encode_png(TONES[cells[:40, :40]] + noise))
            if number != pictures - 1:
                packed.writestr(f"top/truth/plot_{number}.png", encode_png(VALUES[cells]))
        packed.writestr("__MACOSX/top/photos/._plot_0.png", b"no picture")
    return path


@pytest.fixture
def order(tmp_path: Path) -> ImportOrder:
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    odd_zip(source / "odd.zip")
    return ImportOrder(str(folder), str(source))


def ran(order: ImportOrder) -> tuple[int, str]:
    """The exit of the real process, and the problem that it told."""
    child = subprocess.run(
        [sys.executable, "-m", "core.data.import_process", order.folder],
        cwd=paths.ROOT,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
        input=json.dumps(asdict(order)).encode() + b"\n",
        capture_output=True,
        check=False,
    )
    problem = Path(order.folder) / PROBLEM
    return child.returncode, json.loads(problem.read_text())["error"] if problem.is_file() else ""


def test_a_survey_tells_everything_and_a_preview(order: ImportOrder) -> None:
    carry_out(order)
    folder = Path(order.folder)
    told = json.loads((folder / REPORT).read_text())
    by_stem = {each["stem"]: each for each in told["pictures"]}
    assert [each.name for each in proposal_of(told["proposal"]).classes] == [f"Class {value}" for value in VALUES]
    assert {stem for stem, each in by_stem.items() if each["misfit"]} == {"plot_1", "plot_2"}
    assert [stem for stem, each in by_stem.items() if not each["labelled"]] == ["plot_5"]
    assert sum(by_stem["plot_0"]["counts"].values()) == 40 * 40
    first = told["seen"][0]
    codes = np.frombuffer((folder / SEEN / "0.codes").read_bytes(), "<i4")
    assert set(codes.tolist()) <= {int(value) for value in VALUES}
    assert codes.size * 3 == len((folder / SEEN / "0.rgb").read_bytes()) == 3 * first["height"] * first["width"]
    assert not list(folder.glob("tmp*"))


def test_a_dataset_is_written_as_it_was_chosen(order: ImportOrder) -> None:
    choices = ImportChoices(
        resample=0.1,
        skip=True,
        title="My plots",
        names={3: "Tree", 17: "Tree", 90: "Road", 201: "ignore"},
        colours={"Road": (1, 2, 3)},
        leave_out=frozenset({"plot_2"}),
        parts={"plot_0": "train", "plot_1": "test", "plot_3": "validate"},
    )
    carry_out(replace(order, name="plots", choices=choices_json(choices)))
    made = Path(order.folder) / MADE
    description = read_description(made)
    assert [each.name for each in description.classes] == ["Tree", "Road"]
    assert description.class_map.colours[1] == (1, 2, 3)
    assert (description.split.train, description.split.validate) == (("plot_0",), ("plot_3",))
    assert not (made / "masks" / "plot_2.png").exists()
    mask = read_raw(made / "masks" / "plot_0.png")
    cells = VALUES[(np.add.outer(np.arange(40) // 10, np.arange(40) // 10)) % 4]
    expected = np.select([cells == 3, cells == 17, cells == 90], [0, 0, 1], 255)
    assert (mask == expected).all()
    assert read_raw(made / "masks" / "plot_1.png").shape == (40, 40)
    assert (made / "images" / "plot_5.png").is_file()


def test_what_cannot_be_leaves_no_dataset(order: ImportOrder) -> None:
    ignored = ImportChoices(names={3: "ignore", 17: "ignore", 90: "ignore"}, resample=1.0)
    with pytest.raises((ConfigError, DataError), match="two classes"):
        carry_out(replace(order, name="plots", choices=choices_json(ignored)))
    assert not (Path(order.folder) / MADE).exists()


def test_zips_together_may_unpack_to_so_much(order: ImportOrder) -> None:
    with pytest.raises(TerrastillError, match="unpacks to more than it may"):
        carry_out(replace(order, most_bytes=2000))


@pytest.mark.slow
def test_the_real_process_holds_its_limits(order: ImportOrder, tmp_path: Path) -> None:
    assert ran(order) == (0, "")
    assert (Path(order.folder) / REPORT).is_file()
    many = tmp_path / "many"
    (many / "folder").mkdir(parents=True)
    (many / "source").mkdir()
    boxes = [{"id": n, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]} for n in range(200_000)]
    coco = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "a"}], "annotations": boxes}
    (many / "source" / "labels.json").write_text(json.dumps(coco))
    (many / "source" / "a.png").write_bytes(encode_png(random_image()))
    small = ImportOrder(str(many / "folder"), str(many / "source"), memory=20 * 1024**2)
    assert "needs more memory than an import may take" in ran(small)[1]
    assert not list((many / "folder").glob("tmp*"))
    (many / "folder" / PROBLEM).unlink()
    assert ran(replace(small, memory=3 * 1024**3, seconds=0)) == (-signal.SIGXCPU, "")
