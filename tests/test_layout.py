"""The house keeps its shape: four packages from this checkout, nothing importable beside them, layers, quick starts."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import find_packages

REPO = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "infra", "manifests")
# Folders without importable code; `tests` is code, but no package.
FOLDERS = {*PACKAGES, "tests", "scripts", "benchmarks", "docs", "changes", ".ci"}
MANIFESTS = sorted((REPO / "manifests" / "examples").glob("*.yaml"))


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((REPO / folder).rglob("*.py"))


def committed() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    return listed.stdout.split("\0")[:-1]


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_come_from_here(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin) == REPO / name / "__init__.py"


def test_installed_command_finds_the_same_packages(tmp_path: Path) -> None:
    """From another folder, where a stray `tasks.py` must not win either."""
    (tmp_path / "tasks.py").write_text("raise SystemExit('a stranger')")
    code = f"import {', '.join(PACKAGES)}; print(*(m.__file__ for m in ({', '.join(PACKAGES)})), sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert told.splitlines() == [str(REPO / name / "__init__.py") for name in PACKAGES]


def test_nothing_else_lies_at_the_top() -> None:
    files = committed()
    assert {file.partition("/")[0] for file in files if "/" in file} <= FOLDERS
    assert not [file for file in files if "/" not in file and file.endswith((".py", ".pyi", ".pth"))]


def test_only_the_four_are_packaged() -> None:
    wanted = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    found = find_packages(str(REPO), include=wanted)
    assert {name.partition(".")[0] for name in found} == set(PACKAGES)
    assert set(find_packages(str(REPO))) == set(found)


def test_tests_are_no_package() -> None:
    assert not list((REPO / "tests").rglob("__init__.py"))


def test_every_folder_of_modules_is_a_package() -> None:
    """Without its `__init__.py` a folder would be left out of the wheel, silently."""
    assert not [str(m) for m in modules(*PACKAGES) if not (m.parent / "__init__.py").is_file()]


@pytest.mark.parametrize("name", ["flows", "tasks"])
def test_upper_layers_import_nothing_by_themselves(name: str) -> None:
    assert (REPO / name / "__init__.py").read_text() == ""


def test_every_module_says_what_it_is_for() -> None:
    wrong = []
    for module in modules(*PACKAGES, "tests", "scripts", "benchmarks"):
        text = module.read_text()
        opening = (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0]
        if text.strip() and not 1 <= len(opening.splitlines()) <= 5:
            wrong.append(str(module.relative_to(REPO)))
    assert not wrong


def test_no_module_takes_a_name_of_the_standard_library() -> None:
    names = [m for m in modules(*PACKAGES, "tests") if m.stem in sys.stdlib_module_names]
    assert not [str(m.relative_to(REPO)) for m in names]


def test_contracts_of_imports_hold() -> None:
    told = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=REPO, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", told.stdout)


def test_a_broken_contract_is_seen(tmp_path: Path) -> None:
    """The check above can fail: the same contracts, with the layers turned round."""
    rules = (REPO / ".importlinter").read_text()
    layers = "    flows\n    tasks\n    infra\n    manifests\n\n"
    assert rules.count(layers) == 1
    turned = tmp_path / "turned"
    turned.write_text(rules.replace(layers, "    manifests\n    infra\n    tasks\n    flows\n\n"))
    told = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(turned)], cwd=REPO,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "BROKEN" in told.stdout


LATE = ("prefect", "tasks", "boto3", "botocore", "flows.campaign")  # costly, or above its station
ASK = """
import sys
from flows.cli import main
for words in {calls!r}:
    try:
        main(words)
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.mark.parametrize("command", ["validate", "plan", "status", "explain"])
def test_answers_start_without_prefect(command: str, tmp_path: Path) -> None:
    calls = [[command, str(manifest)] for manifest in MANIFESTS]
    assert len(calls) >= 3
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", ASK.format(calls=calls)],
        env={"SHOTRUNNER_STORE": str(tmp_path / "store"), "PATH": ""}, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-2000:]
    imported = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", told.stderr, re.MULTILINE)
    assert "flows.prepare" in imported
    assert not [name for name in imported if name in LATE or name.startswith(tuple(f"{late}." for late in LATE))]
