"""The laws of the house, checked on every file: who may import whom (docs/DESIGN.md), and what no file may hold."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core import paths
from tests.architecture import (
    Module,
    broad_catches,
    imports,
    long_functions,
    modules,
    prints,
    swappable,
    unpickling,
    within,
)
from tools.house import CONCEPTS, circles, folders, holders
from tools.house import imports as imports_at_the_top

BASE = (
    "core.errors",
    "core.band_set",
    "core.config",
    "core.classes",
    "core.class_mapping",
    "core.losses.catalogue",
    "core.paths",
    "core.files",
    *(f"core.{name}" for name in ("out_of_memory", "freed_memory", "confinement", "spreadsheet", "geo", "typed")),
)
DATA = (*BASE, "core.imagery", "core.image", "core.device", "core.data")
MODELS = (*DATA, "core.models", "core.losses", "core.metrics", "core.agreement", "core.cards", "core.checkpoint")
TASKS = (
    *MODELS,
    "core.events",
    "core.normalise",
    "core.train",
    "core.evaluate",
    "core.infer",
    "core.benchmark",
    "core.export",
    "core.openvino_session",
)
STORE = (*BASE, "core.cards", "core.model_owners", "core.runs.store")
_EXECUTION = ("execution", "checks", "trial", "trial_shares", "teaching", "devices")
EXECUTION = tuple(f"core.runs.{name}" for name in _EXECUTION)
BESIDE_RUNS = tuple(f"core.runs.{name}" for name in ("recorder", "trial_shares", "worker.processes"))
TRACKING = ("core.runs.tracking",)
SERVER = ("app.web_routes", "app.web_modules", "app.web_security", "app.web_limits", "app.web_offline")
PAGES = ("app.streamlit_private", "app.visitor", "app.services", "app.state", "app.caching", "app.components", *SERVER)

# A page may import what lies in its own folder, and of other pages nothing.
PAGE_FOLDERS = sorted(path.parent.name for path in (paths.ROOT / "app" / "views").glob("*/page.py"))

# What pages read of core themselves: it takes the standard library alone, and a service would only repeat it.
PLAIN = ("core.errors", "core.band_set", "core.config", "core.losses.catalogue", "core.imagery.band_names")

# A module may import what stands beside the longest of these names that holds it. None: everything in core.
ROOMS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(BASE, BASE),
    "core.imagery": (*BASE, "core.imagery"),
    "core.image": (*BASE, "core.imagery"),
    "core.device": BASE,
    "core.data": DATA,
    # What is read of brought models has no torch; the process that runs one builds what the others build.
    "core.brought": (*BASE, "core.brought", "core.cards", "core.openvino_session"),
    "core.brought.runner": (*BASE, "core.brought", "core.imagery", "core.models.external.torch_networks"),
    "core.models": (*BASE, "core.models"),
    "core.models.committee": (*BASE, "core.cards"),
    "core.models.external": (*BASE, "core.models", "core.brought", "core.cards"),
    "core.losses": ("core.errors", "core.classes", "core.losses"),
    **dict.fromkeys(("core.metrics", "core.agreement"), BASE),
    "core.cards": BASE,
    "core.model_owners": (*BASE, "core.cards"),
    "core.checkpoint": (*BASE, "core.cards", "core.models"),
    "core.events": BASE,
    "core.normalise": (*BASE, "core.cards"),
    **dict.fromkeys(("core.train", "core.evaluate", "core.infer", "core.benchmark", "core.export"), TASKS),
    **dict.fromkeys(("core.export.session", "core.openvino_session"), BASE),
    **dict.fromkeys(("core.runs", "core.runs.store"), STORE),
    **dict.fromkeys(("core.runs.worker.heartbeats", "core.runs.worker.machine_lock"), STORE),
    "core.runs.recorder": (*STORE, "core.image", "core.imagery", "core.data", "core.events"),
    "core.runs.tracking": (*STORE, *TRACKING, "core.events"),
    **dict.fromkeys(EXECUTION, (*TASKS, *EXECUTION, *STORE, "core.runs.worker.processes")),
    "core.runs.executors": (*TASKS, *STORE, "core.search", "core.runs.executors", "core.runs.worker.run_process"),
    "core.search": (*TASKS, *STORE, "core.search", *BESIDE_RUNS),
    **dict.fromkeys(("core.runs.worker", "core.runs.cluster"), (*TASKS, "core.runs")),
    "core.cli": None,
    "core.__main__": ("core.errors", "core.cli"),
    "app.main": (*PAGES, "core.errors", "core.freed_memory", "app.views"),
    "app.shell": (*PAGES, "core.errors", "app.views"),
    "app.streamlit_private": (),
    **dict.fromkeys(("app.state", "app.visitor"), ("app.services", "app.streamlit_private")),
    "app.caching": ("app.services", "app.visitor", "app.streamlit_private", *PLAIN),
    **dict.fromkeys(SERVER, ("core.errors", "app.services")),
    "app.web_offline": ("app.services", "app.web_modules"),
    "app.services": ("core", "app.services"),
    **dict.fromkeys(("app.components", "app.views"), (*PAGES, *PLAIN)),
    **{f"app.views.{name}": (*PAGES, *PLAIN, f"app.views.{name}") for name in PAGE_FOLDERS},
    "tools": ("core", "tools"),
}
SERVICES_MAY_NOT = (
    "core.runs.execution",
    "core.runs.executors",
    "core.runs.worker.queue_worker",
    "core.runs.worker.command",
    "core.cli",
    "core.__main__",
)
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "core": ("streamlit", "app", "tools"),
    "app": ("tools",),
    "tools": ("streamlit", "app"),
    "core.cards": ("torch",),
    **dict.fromkeys(("core.brought.onnx_file", "core.brought.onnx_graph", "core.brought.onnx_structure"), ("onnx",)),
    "core.infer.tiling": ("torch",),
    "core.imagery": ("torch",),
    **dict.fromkeys(("core.export.session", "core.openvino_session"), ("torch",)),
    **dict.fromkeys(("core.benchmark.plan", "core.benchmark.results"), ("torch",)),
    "core.runs.store": ("torch",),
    "app.services": ("streamlit", *SERVICES_MAY_NOT),
    "app.components": ("torch",),
    "app.views": ("torch",),
}


def trespasses(module: Module) -> list[str]:
    """Imports that the rules above do not allow."""
    room = max((name for name in ROOMS if within(module.name, (name,))), key=len, default=None)
    if room is None:
        roots = module.name in ("core", "app") and not module.text.strip()
        return [] if roots else ["lies in no room: give it a rule in tests/test_architecture.py and docs/DESIGN.md"]
    allowed = ROOMS[room]
    forbidden = tuple(name for place, names in FORBIDDEN.items() if within(module.name, (place,)) for name in names)
    found = []
    for name in imports(module):
        own = name.split(".")[0] in ("core", "app", "tools")
        outside = own and allowed is not None and not within(name, allowed)
        foreign = module.name in BASE and not own and name.split(".")[0] not in sys.stdlib_module_names
        if outside or foreign or within(name, forbidden):
            found.append(f"imports {name}")
    return found


SOURCE = modules("core", "app", "tools")
EVERYTHING = [*SOURCE, *modules("tests", "benchmarks")]


def _report(check: Callable[[Module], list[str]] | Callable[[Module], list[int]], where: list[Module]) -> list[str]:
    return [f"{module.name}: {finding}" for module in where for finding in check(module)]


def test_every_import_keeps_the_rules() -> None:
    assert _report(trespasses, SOURCE) == []


# Streamlit documents these beside what `import streamlit as st` gives.
PUBLIC_STREAMLIT = ("streamlit.delta_generator", "streamlit.components.v1", "streamlit.testing.v1", "streamlit.errors")


def private_streamlit(module: Module) -> list[str]:
    """Imports of modules of Streamlit that it does not document."""
    inner = [name for name in imports(module) if name.startswith("streamlit.")]
    found = [f"imports {name}" for name in inner if not within(name, PUBLIC_STREAMLIT)]
    return found + [f"names {name}" for name in re.findall(r"\bst(?:reamlit)?\.runtime\.\w+", module.text)]


def test_what_streamlit_does_not_document_is_used_in_one_file() -> None:
    used = [m.name for m in SOURCE if private_streamlit(m)]
    assert used == ["app.streamlit_private"]


@pytest.mark.parametrize(
    "text",
    [
        "from streamlit.runtime.scriptrunner import get_script_run_ctx",
        "import streamlit.runtime",
        "def f():\n    from streamlit.web.server import Server",
        "import streamlit as st\nst.runtime.exists()",
    ],
)
def test_a_private_module_of_streamlit_is_seen(text: str) -> None:
    assert private_streamlit(Module("app.views.compare", text))
    assert private_streamlit(Module("app.x", "from streamlit.delta_generator import DeltaGenerator")) == []


def test_a_class_map_of_a_dataset_is_named_in_its_file_alone() -> None:
    named = [m.name for m in SOURCE if re.search(r"\bAERIAL\b", m.text)]
    # tools/house.py counts the files that name it.
    assert set(named) - {"tools.house"} == {"core.data.datasets.dubai"}


HELD = {
    "a loss (standardised)": {"core/losses/catalogue", "core/losses/standardised"},
    "a widget of Distill (average_flips)": {"app/services/run_settings", "core/config/distill"},
    # Every other module hands its work to `core.out_of_memory`, with the error that it wants.
    "out of memory": {"core/out_of_memory", "core/runs/store/run_store", "core/runs/worker/run_process"},
    # Running a model, writing it, and reading one that was brought: each is a file and an entry in a catalogue.
    "a runtime (openvino)": {
        *("core/openvino_session", "core/benchmark/runtimes"),
        *("core/export/openvino_ir", "core/export/formats"),
        *("core/brought/openvino_file", "core/brought/kinds"),
    },
}


def test_a_concept_is_held_in_its_own_files_alone() -> None:
    code = {m.name.replace(".", "/"): m.tree for m in SOURCE if within(m.name, ("core", "app"))}
    assert {title: set(holders(code, CONCEPTS[title])) for title in HELD} == HELD


def test_no_modules_need_each_other() -> None:
    """Neither when they are imported nor later, inside a function: the lower one could not be read alone."""
    edges = {m.name: {owner for name in imports(m) if (owner := _owner(name)) not in (None, m.name)} for m in SOURCE}
    assert circles(edges) == []


def test_no_folders_need_each_other() -> None:
    """Training and prediction, say: what both need lies below them, as `core.events` does."""
    trees = {f"{m.name.replace('.', '/')}.py": m.tree for m in SOURCE if not within(m.name, ("tools",))}
    assert circles(folders(imports_at_the_top(trees))) == []


_WITH_TEXT = {m.name for m in SOURCE if m.text.strip()}


def _owner(name: str) -> str | None:
    """The module that holds a dotted name; no package that only gathers others."""
    parents = [name.rsplit(".", up)[0] for up in range(name.count(".") + 1)]
    return next((parent for parent in parents if parent in _WITH_TEXT), None)


def test_nothing_is_caught_broadly() -> None:
    assert _report(broad_catches, EVERYTHING) == []


def test_nothing_is_unpickled() -> None:
    assert _report(unpickling, [*SOURCE, *modules("benchmarks")]) == []


def test_only_the_command_line_prints() -> None:
    silent = [m for m in SOURCE if not within(m.name, ("core.cli",)) and not m.name.endswith(".__main__")]
    assert _report(prints, silent) == []


def test_student_and_teacher_cannot_be_swapped() -> None:
    assert _report(swappable, SOURCE) == []


def test_files_and_functions_fit_on_a_screen() -> None:
    files = [f"{m.name} has {lines} lines" for m in EVERYTHING if (lines := m.text.count("\n")) > 400]
    assert files == []
    assert _report(lambda module: long_functions(module, 50), EVERYTHING) == []


def test_the_tree_is_really_read() -> None:
    assert {"core.config", "core.data", "core.runs.store.run_store", "app.services"} <= {
        module.name for module in SOURCE
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.config", "import numpy"),
        ("core.classes", "from core.data.scene import Scene"),
        ("core.data.folder", "from core.events import Emit"),
        ("core.models.unet", "from core import losses"),
        ("core.losses.soft", "from core.config import DistillConfig"),
        ("core.losses.catalogue", "from torch import Tensor"),
        ("core.losses.catalogue", "from core.losses.hints import Hint"),
        ("core.metrics", "def f() -> None:\n    from core.models import MODELS"),
        ("core.train.loop", "from core.runs.store.run_store import RunStore"),
        ("core.infer.tiling", "import torch.nn"),
        ("core.runs.store.run_store", "import core.runs.worker.queue_worker"),
        ("core.runs.execution", "from core.runs.worker import queue_worker"),
        ("core.train.loop", "import streamlit as st"),
        ("core.cli.train", "from app.services import runs"),
        ("core.cli.train", "from tools import synthetic"),
        ("app.services.runs", "import tools.synthetic"),
        ("tools.synthetic.samples", "from app.services import datasets"),
        ("core.somewhere", ""),
        ("app.services.runs", "from core.runs.execution import execute"),
        ("app.services.runs", "from core.runs.worker import queue_worker"),
        ("app.services.runs", "from core.runs.executors.predicting import execute"),
        ("core.runs.executors.predicting", "from core.runs.worker.queue_worker import Worker"),
        ("app.services.runs", "import streamlit"),
        ("app.services.runs", "from app import state"),
        ("app.views.compare", "from core.data.datasets.dubai import DUBAI"),
        ("app.views.compare", "import torch"),
        ("app.components.legend", "from app.views import compare"),
    ],
)
def test_a_trespass_is_seen(name: str, text: str) -> None:
    assert trespasses(Module(name, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.config", "import json\nfrom core.errors import ConfigError"),
        ("core.data.folder", "import numpy\nfrom core import image\nfrom core.data.scene import Scene"),
        ("core.evaluate", "from core.infer.predict import predict"),
        ("app.services.runs", "from core.runs.store import run_store"),
        ("app.views.compare", "import streamlit as st\nfrom app.components import legend"),
    ],
)
def test_what_is_allowed_passes(name: str, text: str) -> None:
    assert trespasses(Module(name, text)) == []


@pytest.mark.parametrize(
    "template",
    [
        "try:\n    f()\nexcept {}:\n    pass",
        "try:\n    f()\nexcept (OSError, {}):\n    pass",
        "with contextlib.suppress({}):\n    f()",
    ],
)
def test_a_broad_catch_is_seen(template: str) -> None:
    assert broad_catches(Module("core.x", template.format("Exception")))
    assert broad_catches(Module("core.x", template.format("BaseException")))
    assert broad_catches(Module("core.x", template.format("ValueError"))) == []


def test_a_bare_catch_is_seen() -> None:
    assert broad_catches(Module("core.x", "try:\n    f()\nexcept:\n    pass")) == [3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.checkpoint", "import pickle"),
        ("core.checkpoint", "torch.load(path, weights_only=True)"),
        ("core.checkpoint", "from torch import load"),
        ("core.models.pretrained", "torch.load(path)"),
        ("core.models.pretrained", "torch.load(path, weights_only=False)"),
        ("core.train.view_cache", "np.load(path, allow_pickle=True)"),
    ],
)
def test_unpickling_is_seen(name: str, text: str) -> None:
    assert unpickling(Module(name, text))


def test_loading_weights_safely_passes() -> None:
    assert unpickling(Module("core.models.pretrained", "torch.load(path, weights_only=True)")) == []


def test_a_swappable_pair_a_print_and_a_long_function_are_seen() -> None:
    assert swappable(Module("core.x", "def f(student, teacher): ...")) == ["f"]
    assert swappable(Module("core.x", "def f(*, student, teacher): ...")) == []
    assert prints(Module("core.x", "print(1)")) == [1]
    body = "\n".join(["    pass"] * 40)
    assert long_functions(Module("core.x", f"def f():\n{body}"), 40) == ["f has 41 lines"]
    assert long_functions(Module("core.x", f"def f():\n{body}"), 41) == []


def runs_on_import(module: Module) -> list[int]:
    """Lines that call something as soon as the module is imported."""
    return [node.lineno for node in module.tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]


def test_a_page_is_drawn_by_streamlit_and_not_by_an_import() -> None:
    pages = [m for m in SOURCE if within(m.name, ("app.views",)) and m.name.endswith(".page")]
    assert len(pages) == len(PAGE_FOLDERS) >= 12
    assert _report(runs_on_import, [m for m in SOURCE if within(m.name, ("app.views",))]) == []
    assert runs_on_import(Module("app.views.x.page", "def main(): ...\npage(main)")) == [2]


# Compare shows what its models say of a picture; Distill and Search try the models of a run before it can be launched.
RUN_MODELS = {"compare", "distill", "search"}


def test_pages_that_run_no_model_open_without_torch(tmp_path: Path) -> None:
    """It takes seconds to import, and a person would wait for it. Each is drawn once, with the shipped models."""
    drawn = "\n".join(
        f"import app.views.{name}.page\npage(app.views.{name}.page.main)"
        for name in PAGE_FOLDERS
        if name not in RUN_MODELS
    )
    # Every model has figures, or Cost would measure them in a process of its own; In your browser has not been set up.
    code = "import sys\nfrom app.components.guard import page\nfrom app.services import exports, speeds\n"
    code += "from tests.ui.conftest import make_speed\nexports.runtime_is_there = lambda: False\n"
    # A graphics card is asked for its name by torch.
    code += "from core.benchmark import machine\nmachine.GPU_DEVICES = ()\n"
    code += "speeds.kept = lambda model: {'pytorch': make_speed(model.name)}\n"
    code += f"{drawn}\nprint(sorted({{'torch', 'onnxruntime', 'onnx', 'optuna', 'transformers'}} & set(sys.modules)))"
    env = {**os.environ, "TERRASTILL_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
