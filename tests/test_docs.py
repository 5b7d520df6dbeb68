"""What README and docs show is what happens: their commands are run, their tables are compared with the code."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml
from command import Shotrunner

import flows.apply  # noqa: F401  brings the errors that flows define
from flows.cli import INTERRUPTED, app
from infra.errors import ShotrunnerError
from manifests.schema import Brand, Spot
from manifests.unbuilt import BRAND_NOT_APPLIED, NOT_APPLIED

REPO = Path(__file__).parents[1]
EXAMPLES = REPO / "manifests" / "examples"
HELP = REPO / "tests" / "golden" / "help"
# README first: the others go on in the project that it makes.
DOCUMENTS = ["README.md", *sorted(str(p.relative_to(REPO)) for p in (REPO / "docs").glob("*.md"))]
COMMANDS = [name for name in app if not name.startswith("-")]
SUBCOMMANDS = [f"{name} {sub}" for name in COMMANDS for sub in app[name] if not sub.startswith("-")]
# Not run here, and where they are run instead.
ELSEWHERE = {
    "make demo": "minutes of work: the same film is made by the tests of runs, and by hand before a release",
    "make test": "is what runs this test",
    "make setup": "is what installed what runs this test",
}


# --- commands that the documents show ---


@dataclass(frozen=True)
class Shown:
    """One `$ ` line and what stands below it."""

    document: str
    command: str
    output: str


def shown_in(document: str) -> list[Shown]:
    text = (REPO / document).read_text()
    found = []
    for block in re.findall(r"^```(?:console|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert block.startswith("$ "), f"{document}: a console block shows a command"
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Shown(document, command, output))
    return found


SHOWN = [shown for document in DOCUMENTS for shown in shown_in(document)]


@dataclass(frozen=True)
class Done:
    shown: Shown
    code: int
    output: str


class Terminal:
    """Runs commands one after another, as somebody does who reads: `export` and `$?` hold between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.last = folder, 0
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self.environment = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "400"}

    def run(self, shown: Shown) -> Done:
        export = re.fullmatch(r"export (\w+)=(\S+)", shown.command)
        if export:
            value = export[2].strip('"').replace("$PWD", str(self.folder)).replace("$PATH", self.environment["PATH"])
            self.environment[export[1]] = value
            return Done(shown, 0, "")
        if shown.command == "echo $?":
            return Done(shown, 0, f"{self.last}\n")
        if shown.command.startswith("shotrunner backlot"):
            return self._serve(shown)
        # one take of two seconds instead of three of five: the same way through for a fraction of the work
        fewer = (
            " --set generate.takes=1 --set shots.hero.duration=2" if shown.command.startswith("shotrunner run") else ""
        )
        ended = subprocess.run(
            ["sh", "-c", shown.command + fewer], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip
        self.last = ended.returncode
        return Done(shown, ended.returncode, ended.stdout + (ended.stderr if ended.returncode else ""))

    def _serve(self, shown: Shown) -> Done:
        """Until it answers; then Ctrl-C. Its port may be taken on this machine, so it takes a free one."""
        command = re.sub(r"--port \d+", "--port 0", shown.command)
        with subprocess.Popen(
            command.split(), cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        ) as server:  # fmt: skip
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(2)]
            server.send_signal(signal.SIGINT)
            lines += server.communicate(timeout=60)[0].splitlines(keepends=True)
        self.last = server.returncode
        return Done(shown, server.returncode, "".join(lines))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> list[Done]:
    """Every command of every document, run in order in one new project."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(EXAMPLES, folder / "manifests/examples", ignore=shutil.ignore_patterns("*.lock.json"))
    (folder / "shotrunner.toml").write_text("")
    done: list[Done] = []
    document, terminal = "", Terminal(folder)
    for shown in SHOWN:
        if shown.document != document:  # a new page, a new terminal
            document, terminal = shown.document, Terminal(folder)
        if shown.command in ELSEWHERE:
            continue
        done.append(terminal.run(shown))
    return done


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_shown_does_what_is_shown(session: list[Done], document: str) -> None:
    here = [done for done in session if done.shown.document == document]
    for done, after in zip_longest(here, here[1:]):
        told = f"$ {done.shown.command}\n{done.output}"
        code_is_shown = after is not None and after.shown.command == "echo $?"
        assert done.code == 0 or code_is_shown, told
        assert matches(done.shown.output, done.output), f"{told}\n--- shown:\n{done.shown.output}"


def matches(shown: str, told: str) -> bool:
    """`…` stands for anything, in a line or for lines. A command shown without output may say what it likes."""
    pieces = [re.escape(piece) for piece in re.split(r"…\n?", shown)]
    return not shown or re.fullmatch(".*?".join(pieces), told, re.DOTALL) is not None


def test_a_wrong_output_would_be_seen() -> None:
    assert matches("ok\n…", "ok\nand more\n")
    assert matches("a … c\n", "a b c\n")
    assert not matches("ok\n", "ok\nand more\n")
    assert not matches("a\n…", "b\na\n")


def test_commands_run_elsewhere_are_shown_and_exist() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (REPO / "Makefile").read_text(), re.MULTILINE))
    for command in ELSEWHERE:
        assert command.removeprefix("make ") in targets
        assert f"`{command}`" in (REPO / "README.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_files_named_in_passing_exist(document: str) -> None:
    text = (REPO / document).read_text()
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`shotrunner (\w+)", prose)) <= set(COMMANDS)
    options = {option for page in HELP.iterdir() for option in re.findall(r"--[a-z][a-z-]+", page.read_text())}
    assert set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)[^`]*`", prose)) <= options | {"--help"}
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (REPO / document).parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:manifests|infra|tasks|flows|tests|docs|scripts)/[\w./-]+)`", prose):
        assert (REPO / path).exists(), path


# --- README against the code ---


def table(document: str, heading: str) -> dict[str, str]:
    """The first two cells of each row of the first table below a heading."""
    text = (REPO / document).read_text()
    section = text[text.index(f"\n## {heading}\n") :].split("\n## ")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row[1] for row in rows[2:]}


def help_of(command: str) -> str:
    name, *sub = command.split()
    found = app[name][sub[0]] if sub else app[name]
    return inspect.cleandoc(str(found.help))


def test_readme_lists_the_commands_as_they_say_themselves() -> None:
    said = {name: " ".join(help_of(name).split("\n\n")[0].split()) for name in COMMANDS}
    assert table("README.md", "Commands") == said


def exit_codes() -> set[int]:
    found, todo = {0, 10, INTERRUPTED}, [ShotrunnerError]
    while todo:
        error = todo.pop()
        found.add(error.exit_code)
        todo += error.__subclasses__()
    return found


def test_readme_lists_the_exit_codes() -> None:
    assert {int(code) for code in table("README.md", "Exit codes")} == exit_codes()


@pytest.mark.parametrize("command", [*COMMANDS, *SUBCOMMANDS])
def test_help_has_an_example_and_exit_codes(command: str) -> None:
    paragraphs = help_of(command).split("\n\n")
    (example,) = [p for p in paragraphs if p.startswith("Example: ")]
    assert example.startswith(f"Example: shotrunner {command}")
    (codes,) = [p for p in paragraphs if p.startswith("Exit: ")]
    assert {int(code) for code in re.findall(r"(?:^Exit: |; |exitcode )(\d+)", codes)} <= exit_codes()


# --- help, as it is printed ---


@pytest.mark.parametrize("command", ["", *COMMANDS, *SUBCOMMANDS])
def test_golden_help(command: str) -> None:
    # in a process of its own: the width of a terminal is remembered by whoever printed first
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TERM", "NO_COLOR")}
    answer = subprocess.run(
        [sys.executable, "-m", "flows.cli", *command.split(), "--help"],
        env={**environment, "COLUMNS": "100"}, cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = "".join(f"{line.rstrip()}\n" for line in answer.stdout.splitlines())
    golden = golden_of(command)
    if os.environ.get("REFRESH_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(told)
    refresh = "REFRESH_GOLDEN=1 .venv/bin/python -m pytest tests/test_docs.py -k golden_help"
    assert answer.returncode == 0
    assert golden.is_file(), f"run {refresh}"
    assert told == golden.read_text(), f"if this is meant: {refresh}"


def golden_of(command: str) -> Path:
    return HELP / f"{command.replace(' ', '-') or 'shotrunner'}.txt"


def test_no_golden_help_is_left_over() -> None:
    assert set(HELP.iterdir()) == {golden_of(command) for command in ("", *COMMANDS, *SUBCOMMANDS)}


# --- docs/manifest.md against the models ---


def test_every_key_of_a_spot_and_a_kit_is_explained() -> None:
    text = (REPO / "docs/manifest.md").read_text()
    for model in (Spot, Brand):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in text, name


def test_everything_that_does_nothing_is_listed() -> None:
    listed = set(table("docs/manifest.md", "Not applied yet"))
    rows = {row.path for row in NOT_APPLIED} | {f"brand.{row.path}" for row in BRAND_NOT_APPLIED}
    assert listed == rows | {"brand.fonts` of other scripts than those above"}


FRAGMENTS = re.findall(r"^```yaml\n(.*?)^```$", (REPO / "docs/manifest.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.usefixtures("examples")
def test_every_piece_of_a_manifest_is_valid_in_a_whole_one(shotrunner: Shotrunner, fragment: str) -> None:
    piece = yaml.safe_load(fragment)
    spot = yaml.safe_load(Path("morning-30s.yaml").read_text())
    if "shots" in piece:
        spot = yaml.safe_load(Path("product-10s.yaml").read_text())
    Path("piece.yaml").write_text(json.dumps(spot | piece))
    answer = shotrunner("validate", "piece.yaml")
    assert (answer.code, answer.out) == (0, "ok\n"), answer.err
