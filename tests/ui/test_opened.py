"""Paths that come from a visitor lead below the folder that the operator opened, on every page that takes one."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.services import access, datasets, launch, picture_collections, runs, waiting_runs, workspaces
from app.services.stores import open_store
from core import paths
from core.config import DataConfig, RunConfig
from core.data import open_dataset
from core.data.confined import confined
from core.data.datasets.dubai import AERIAL
from core.data.folder import find_pairs, load_pair
from core.data.palette import to_rgb
from core.errors import TerrastillError
from core.image import encode_png
from tests.ui.conftest import ANYBODY, ask

SIDE = 48


def pair(folder: Path, stem: str = "roof", seed: int = 0) -> None:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng(seed)
    (folder / "images" / f"{stem}.png").write_bytes(encode_png(numbers.integers(0, 255, (SIDE, SIDE, 3), np.uint8)))
    mask = to_rgb(numbers.integers(0, 5, (SIDE, SIDE), np.uint8), AERIAL)
    (folder / "masks" / f"{stem}.png").write_bytes(encode_png(mask))


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """An opened folder with good pictures, with links and pipes that lead out; a secret beside it."""
    root, secret = tmp_path / "open", tmp_path / "secret"
    for at in range(3):
        pair(root / "mine", f"roof{at}", at)
    pair(secret, "secret")
    pair(root / "mixed")
    (root / "whole").symlink_to(secret)
    (root / "nowhere").symlink_to(tmp_path / "no such")
    (root / "again").symlink_to(root / "mine")
    (root / "up").symlink_to(tmp_path)
    for name in ("images", "masks"):
        (root / "mixed" / name / "secret.png").symlink_to(secret / name / "secret.png")
        (root / "mixed" / name / "gone.png").symlink_to(tmp_path / "gone.png")
        os.mkfifo(root / "mixed" / name / "pipe.png")
    (root / "mixed" / "tile").symlink_to(secret)
    (paths.home()).mkdir(parents=True, exist_ok=True)
    (paths.home() / access.FILE).write_text(f"images = {json.dumps(str(root))}\n")
    return root


def outside(root: Path) -> list[str]:
    """What is there and what is not; the answers must be the same."""
    there = [str(root.parent / "secret"), "../secret", "whole", "up/secret", "mine/../../secret", "/etc", "~"]
    gone = [str(root.parent / "nothing"), "../nothing", "nowhere", "up/nothing", "mine/../../nothing", "/no such", "~x"]
    back = [f"../{root.name}/mine", f"../secret/../{root.name}/mine", f"up/{root.name}/mine"]
    odd = ["a\0b", "x" * 5000, "mixed/images/roof.png/x", "/".join(["mine"] * 5000)]
    return [*there, *gone, *back, *odd]


def distill(text: str) -> list[str]:
    return launch.check(ask(dataset="folder", root=text)).problems


def refusal(work: Callable[[], Any]) -> str:
    with pytest.raises(TerrastillError) as refused:
        work()
    return str(refused.value)


def test_every_page_gives_one_answer_to_every_path_that_leads_out(opened: Path) -> None:
    answers = set()
    with_workspace = workspaces.open_workspace()
    for text in outside(opened):
        answers.add("\n".join(distill(text)))
        answers.add(refusal(lambda text=text: picture_collections.entries("folder", text)))
        answers.add(refusal(lambda text=text: picture_collections.open_picture("folder", "secret", text)))
        answers.add(refusal(lambda text=text: with_workspace.add_path(text)))
        answers.add(refusal(lambda text=text: launch.launch(ask(dataset="folder", root=text), ANYBODY)))
        answers.add(refusal(lambda text=text: datasets.split_summary(at(opened, text))))
    with_workspace.close()
    assert answers == {"There is no such folder or file below the one that is opened here: check the path."}
    assert runs.list_runs() == []


def at(opened: Path, text: str) -> dict[str, Any]:
    return {"dataset": "folder", "root": text, "opened": str(opened)}


def test_what_lies_below_is_opened_by_relative_and_absolute_path(opened: Path) -> None:
    for text in ("mine", "mine/", "./mine", "again", str(opened / "mine"), str(opened / "again")):
        assert distill(text) == []
        assert len(picture_collections.entries("folder", text)) == 3
    config = launch.to_config(ask(dataset="folder", root="again"))
    assert (config.data.root, config.data.opened) == (str((opened / "mine").resolve()), str(opened))
    found = datasets.split_summary(at(opened, "mine") | {"crop": 32})
    assert found["train"] + found["val"] == 3


def test_links_and_pipes_within_an_opened_folder_are_as_if_they_were_not_there(opened: Path) -> None:
    assert [entry.name for entry in picture_collections.entries("folder", "mixed")] == ["roof"]
    loaded = open_dataset(DataConfig(**at(opened, "mixed")))
    assert [scene.name for scene in loaded.scenes] == ["roof"]
    assert loaded.problems == []
    workspace = workspaces.open_workspace()
    workspace.add_path("mixed/images")
    assert [own.name for own in workspace.pictures] == ["roof.png"]
    for name in ("secret.png", "gone.png", "pipe.png"):
        refusal(lambda name=name: workspace.add_path(f"mixed/images/{name}"))
    workspace.close()


def test_a_link_that_is_laid_between_launch_and_run_is_refused(opened: Path) -> None:
    """The worker reads the folder long after the page has looked at it."""
    config = launch.to_config(ask(dataset="folder", root="mine")).data
    for name in ("images", "masks"):
        (opened / "mine" / name / "secret.png").symlink_to(opened.parent / "secret" / name / "secret.png")
    assert "secret" not in {scene.name for scene in open_dataset(config).scenes}
    (opened / "mine").rename(opened / "moved")
    (opened / "mine").symlink_to(opened.parent / "secret")
    refusal(lambda: open_dataset(config))


def test_without_an_opened_folder_none_is_offered_and_none_is_taken() -> None:
    choices = datasets.training_choices()
    assert [choice.name for choice in choices] == ["samples", "dubai", "mixture", "unlabelled-scenes"]
    assert [choice.name for choice in choices if not choice.labelled] == ["unlabelled-scenes"]
    assert "access.toml" in distill("/tmp")[0]


def test_nothing_that_names_a_folder_tells_where_it_lies(opened: Path) -> None:
    (opened / "empty").mkdir()
    told = [
        refusal(lambda: datasets.split_summary(at(opened, "empty"))),
        refusal(lambda: picture_collections.entries("folder", "empty")),
    ]
    assert all(str(opened.parent) not in text for text in told), told


def queued(**changes: Any) -> str:
    """A run as the owner of the account starts one, which may read anything."""
    config = launch.to_config(ask(control=False))
    data = {name: changes.pop(name) for name in ("root", "dataset", "transfer") if name in changes}
    config = replace(config, data=replace(config.data, **data), **changes)
    record = open_store().add(config)
    open_store().request_cancel(record.id)
    return record.id


def test_a_visitor_retries_no_run_that_reads_what_is_not_opened(opened: Path) -> None:
    secret = str(opened.parent / "secret")
    base = launch.to_config(ask())
    assert base.distill is not None
    refused = [
        queued(dataset="folder", root=secret),
        queued(dataset="dubai", root=secret),
        queued(transfer=secret),
        queued(train=replace(base.train, start_from=f"{secret}/model")),
        queued(distill=replace(base.distill, teacher=f"{secret}/model")),
    ]
    for run_id in refused:
        refusal(lambda run_id=run_id: runs.retry(run_id, ANYBODY))
    assert {run.state for run in runs.list_runs()} == {"cancelled"}
    for run_id in (queued(dataset="folder", root=str(opened / "mine")), queued(transfer="samples")):
        runs.retry(run_id, ANYBODY)
        assert open_store().get(run_id).state == "queued"


def test_a_copy_names_its_folder_below_the_opened_one_or_is_refused(opened: Path) -> None:
    assert waiting_runs.copy_link(queued(dataset="folder", root=str(opened / "mine")))["root"] == "mine"
    refusal(lambda: waiting_runs.copy_link(queued(dataset="folder", root=str(opened.parent / "secret"))))
    # Other datasets may lie in a folder of their own too.
    assert waiting_runs.copy_link(queued(dataset="dubai", root=str(opened / "mine")))["root"] == "mine"
    refusal(lambda: waiting_runs.copy_link(queued(dataset="dubai", root=str(opened.parent / "secret"))))


@pytest.mark.parametrize("name", ["../secret/model", "/etc/passwd", "", "checkpoints/teacher"])
def test_a_teacher_is_a_name_of_the_list_and_never_a_path(name: str) -> None:
    found = launch.check(ask(teacher=name)).problems
    assert found
    assert all("choose" in problem for problem in found)


def test_confined_pairs_are_read_as_those_of_the_owner(opened: Path) -> None:
    pairs, _ = find_pairs(opened / "mine")
    with confined(opened) as read:
        for found in pairs:
            (scene, warnings), (own, others) = load_pair(found, AERIAL, read=read), load_pair(found, AERIAL)
            np.testing.assert_array_equal(scene.image, own.image)
            np.testing.assert_array_equal(scene.mask, own.mask)
            assert (scene.name, scene.tile, scene.part, warnings) == (own.name, own.tile, own.part, others)


def test_a_picture_that_ends_the_decoder_is_one_sentence_and_the_next_is_read(
    opened: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_SECRET", "x")
    pairs, _ = find_pairs(opened / "mine")
    with confined(opened) as read:
        read(pairs[0])
        assert read._child is not None
        environment = Path(f"/proc/{read._child.pid}/environ")
        if environment.exists():
            assert b"TERRASTILL_SECRET" not in environment.read_bytes()
        read._child.kill()
        with pytest.raises(TerrastillError, match="makes the decoder stop"):
            read(pairs[1])
        assert read(pairs[1]).image.size


def test_the_settings_of_the_command_line_keep_any_path(opened: Path) -> None:
    config = RunConfig.from_json(RunConfig(kind="train", data=DataConfig("folder", str(opened / "whole"))).to_json())
    assert config.data.opened is None
    assert [scene.name for scene in open_dataset(config.data).scenes] == ["secret"]
