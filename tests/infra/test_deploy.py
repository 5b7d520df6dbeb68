"""What `infra/deploy` ships: linted by the tools of the trade, at the versions that the tests run on, and agreeing with
the code about keys, rules and settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from toolbox import InstallError, install_tools

from flows.cli import app
from infra.bucket_rules import RULES, TIERING
from infra.doomed import LEASE
from infra.keys import is_reference
from manifests.naming import layout_prefix, lease_key, staging_prefix

REPO = Path(__file__).parents[2]
DEPLOY = REPO / "infra" / "deploy"
TEMPLATE = DEPLOY / "storage.yaml"
DOCKERFILES = sorted(path for path in DEPLOY.glob("Dockerfile*") if not path.name.endswith(".dockerignore"))
FILLED = {"POSTGRES_PASSWORD": "p", "S3_SECRET": "s", "PREFECT_SERVER_ENCRYPTION_KEY": "k"}


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the linters. Skips, with the reason, where they cannot be installed; REQUIRE_S3=1 (as CI says)
    makes that a failure."""
    try:
        return install_tools("deploy")
    except InstallError as error:
        if os.environ.get("REQUIRE_S3") == "1":
            raise
        pytest.skip(f"no linters: {error}")


def call(*command: str | Path, env: dict[str, str] | None = None, cwd: Path = REPO) -> tuple[int, str]:
    done = subprocess.run(
        [str(word) for word in command], env=env or {**os.environ}, cwd=cwd, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


class _Tags(yaml.SafeLoader):
    """CloudFormation's short functions, as what they stand for."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        said: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        said = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(suffix)
    return said if suffix == "Sub" else {suffix: said}


_Tags.add_multi_constructor("!", _function)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found = yaml.load(TEMPLATE.read_text(), _Tags)  # noqa: S506 - a safe loader with functions
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


# --- by the tools of the trade ---


def test_the_template_passes_the_linter(tools: Path) -> None:
    assert call(tools / "cfn-lint", TEMPLATE) == (0, "")


def test_the_linter_of_templates_sees_mistakes(tools: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("Memory: '16384'", "Memory: '1024'"))
    code, told = call(tools / "cfn-lint", wrong)
    assert code != 0
    assert "1024" in told


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_pass_the_linter(tools: Path, path: Path) -> None:
    assert call(tools / "hadolint", path) == (0, "")


def test_the_linter_of_images_sees_mistakes(tools: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python:latest\nRUN pip install x\n")
    code, told = call(tools / "hadolint", wrong)
    assert code != 0
    assert "DL3007" in told


def test_compose_can_be_read(tools: Path) -> None:
    code, told = call(tools / "docker-compose", "-f", "compose.yaml", "config", env={**FILLED, "PATH": ""}, cwd=DEPLOY)
    assert code == 0, told
    services = yaml.safe_load(told)["services"]
    assert {"postgres", "redis", "s3", "prefect-server", "prefect-services", "worker"} <= set(services)
    assert services["prefect-server"]["command"][-1] == "--no-services"
    assert services["prefect-services"]["command"] == ["prefect", "server", "services", "start"]
    assert services["worker"]["environment"]["RUNWAYML_API_SECRET"] == "", "no key, no spending"


def test_the_cluster_of_compose_is_the_worker_without_keys(tools: Path) -> None:
    env = {
        **FILLED,
        "PATH": "",
        "RUNWAYML_API_SECRET": "file:/run/secrets/runway_key",
        "SHOTRUNNER_MEDIA_RUNNER": "dask",
    }
    command = [tools / "docker-compose", "-f", "compose.yaml", "--profile", "cluster", "config"]
    code, told = call(*command, env=env, cwd=DEPLOY)
    assert code == 0, told
    services = yaml.safe_load(told)["services"]
    runs, scheduler, cluster = services["worker"], services["dask-scheduler"], services["dask-worker"]
    assert runs["image"] == scheduler["image"] == cluster["image"], "one version of everything"
    port = scheduler["command"][scheduler["command"].index("--port") + 1]
    address = f"tcp://dask-scheduler:{port}"
    assert runs["environment"]["SHOTRUNNER_DASK_ADDRESS"] == cluster["command"][2] == address
    assert runs["environment"]["SHOTRUNNER_MEDIA_RUNNER"] == "dask"
    assert not scheduler.get("environment")
    assert cluster["environment"]["AWS_SECRET_ACCESS_KEY"] == "s"
    assert not cluster["environment"]["RUNWAYML_API_SECRET"]
    for service in (scheduler, cluster):
        code, known = call(Path(sys.executable).parent / "dask", service["command"][1], "--help")
        assert code == 0
        assert [word for word in service["command"] if word.startswith("--") and word not in known] == []


@pytest.mark.parametrize("missing", sorted(FILLED))
def test_compose_has_no_password_of_its_own(tools: Path, missing: str) -> None:
    env = {name: value for name, value in FILLED.items() if name != missing}
    code, told = call(tools / "docker-compose", "-f", "compose.yaml", "config", env={**env, "PATH": ""}, cwd=DEPLOY)
    assert code != 0
    assert "set it in .env" in told
    assert f"{missing}=\n" in (DEPLOY / "env.example").read_text()


# --- the same versions everywhere ---


def test_images_are_made_of_the_locks_that_the_tests_run_on() -> None:
    worker, s3 = ((DEPLOY / name).read_text() for name in ("Dockerfile", "Dockerfile.s3"))
    assert "COPY requirements-dask.txt" in worker
    assert locked("requirements.txt").items() <= locked("requirements-dask.txt").items()
    assert "COPY tests/ministack-requirements.txt" in s3
    installs = re.findall(r"pip install [^\n&]*", worker + s3)
    assert len(installs) == 4
    for install in installs:
        assert ("--require-hashes --no-deps -r" in install) != install.endswith("--no-build-isolation .")
    assert not re.search(r"==\d", worker + s3), "a second place for a version"
    assert "prefecthq/" not in (DEPLOY / "compose.yaml").read_text(), "the server is the locked Prefect, too"


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (REPO / name).read_text(), re.MULTILINE))


def test_what_the_locks_say_is_what_runs_here() -> None:
    from importlib.metadata import version

    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    assert f"prefect=={locked('requirements.txt')['prefect']}" in project["dependencies"]
    assert locked("requirements.txt")["prefect"] == version("prefect")
    ministack = locked("tests/ministack-requirements.txt")["ministack"]
    assert f"'ministack=={ministack}'" in (REPO / "scripts" / "lock").read_text()
    assert set(locked("infra/deploy/server-requirements.txt")) == {"prefect-redis"}
    assert {"redis", "asyncpg"} <= set(locked("requirements.txt")), "what else the server needs is in the worker's lock"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_run_as_nobody_in_particular_on_our_python(path: Path) -> None:
    wanted = SpecifierSet(tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["requires-python"])
    text = path.read_text()
    for python in re.findall(r"^FROM python:([\d.]+)", text, re.MULTILINE):
        assert f"{python}.9" in wanted
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    for stage in stages:
        head, said = stage.splitlines()[0], re.findall(r"^USER (.*)$", stage, re.MULTILINE)
        if head == "base AS worker":
            assert said == [], "as its base says"
        elif not head.endswith(" AS build"):  # which ships nothing but files
            assert said[-1] == "10001:10001", head


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_nothing_but_what_is_copied_reaches_a_builder(path: Path) -> None:
    ignored = path.with_name(f"{path.name}.dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = {match[1] for match in re.finditer(r"^COPY (?!--from)(\S+)", path.read_text(), re.MULTILINE)}
    assert copied == let_in
    assert all((REPO / source).exists() for source in copied)


def test_what_is_copied_makes_the_whole_package(tmp_path: Path) -> None:
    context, made = tmp_path / "context", tmp_path / "made"
    context.mkdir()
    for source in re.findall(r"^COPY ([a-z.]+) [a-z./]+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        if (REPO / source).is_dir():
            shutil.copytree(REPO / source, context / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPO / source, context / source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps"]
    code, told = call(*pip, "--no-build-isolation", "--wheel-dir", made, ".", cwd=context)
    assert code == 0, told
    (wheel,) = made.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "flows/cli.py",
        "tasks/policy.py",
        "infra/templates/dailies.html.j2",
        "manifests/manifest.schema.json",
    ):
        assert wanted in names
    assert not [name for name in names if "deploy" in name and not name.endswith(".py")]


# --- they agree with the code ---


def said_settings() -> set[str]:
    texts = [path.read_text() for path in DEPLOY.iterdir() if path.suffix in (".yaml", "") or path in DOCKERFILES]
    return {name for text in texts for name in re.findall(r"\b(PREFECT_[A-Z_]+)(?=: |=|,)", text)}


def test_every_setting_of_prefect_is_one_that_it_has() -> None:
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_settings_fields

    elsewhere = {"PREFECT_REDIS_MESSAGING_URL", "PREFECT_SERVER_ENCRYPTION_KEY"}  # prefect-redis, and os.getenv
    known = set(_get_settings_fields(Settings)) | elsewhere
    assert said_settings() <= known, said_settings() - known
    assert "PREFECT_SERVER_DOCKET_URL" in said_settings(), "the check reads something"


def commands(template: dict[str, Any], compose: dict[str, Any]) -> list[list[str]]:
    tasks = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::ECS::TaskDefinition"]
    said = [c["Command"] for task in tasks for c in task["ContainerDefinitions"] if "Command" in c]
    return said + [s["command"] for s in compose["services"].values() if "command" in s]


def test_every_command_of_ours_is_one(template: dict[str, Any], compose: dict[str, Any]) -> None:
    ours = [words[1:] for words in commands(template, compose) if words[0] == "shotrunner"]
    assert ["infra", "bootstrap"] in ours
    for words in ours:
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_option_of_a_worker_is_one() -> None:
    words = re.findall(r'"(--[a-z-]+)"', (DEPLOY / "Dockerfile").read_text().split("AS worker")[1])
    code, told = call(Path(sys.executable).with_name("prefect"), "worker", "start", "--help")
    assert code == 0
    assert len(words) == 4
    assert not [word for word in words if f"{word} " not in told]


def test_the_template_and_bootstrap_set_the_same_rules(template: dict[str, Any]) -> None:
    """Asserted here, not on a deployed stack: the emulator keeps no rules of a template."""
    said = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    told = {rule["Id"]: {k: v for k, v in rule.items() if k not in ("Id", "Status")} for rule in said}
    assert {rule["Status"] for rule in said} == {"Enabled"}
    wanted: dict[str, Any] = {}
    for name, prefix, action in (*RULES, *TIERING):
        rule: dict[str, Any] = {"Prefix": prefix, **action}
        expiry = rule.pop("Expiration", {})  # each of the two has its own spelling in templates
        rule |= {"ExpirationInDays": expiry["Days"]} if "Days" in expiry else expiry
        for move in rule.get("Transitions", []):
            rule["Transitions"] = [{"StorageClass": move["StorageClass"], "TransitionInDays": move["Days"]}]
        wanted[f"shotrunner-{name}"] = rule
    assert told == wanted


def statements(template: dict[str, Any], role: str) -> dict[str, Any]:
    policies = template["Resources"][role]["Properties"]["Policies"]
    return {said["Sid"]: said for policy in policies for said in policy["PolicyDocument"]["Statement"]}


def test_policies_speak_of_keys_that_are_made(template: dict[str, Any]) -> None:
    worker, collector = statements(template, "WorkerRole"), statements(template, "CollectorRole")
    assert worker["ReadWrite"]["Resource"] == f"${{Bucket.Arn}}/{layout_prefix()}*"
    assert worker["DeleteScratch"]["Resource"] == f"${{Bucket.Arn}}/{staging_prefix()}*"
    assert f"${{Bucket.Arn}}/{lease_key(LEASE)}" in collector["Lists"]["Resource"]
    for role in ("WorkerRole", "CollectorRole", "ReaderRole"):
        for said in statements(template, role).values():
            actions = [said["Action"]] if isinstance(said["Action"], str) else said["Action"]
            assert not [action for action in actions if "*" in action or action.endswith(("Version", "Policy"))]
            assert said["Resource"] != "*"
    assert "Keys" in worker
    assert "Keys" not in collector, "who deletes has no vendor's key"


def test_what_holds_films_or_keys_outlives_the_stack(template: dict[str, Any]) -> None:
    for name in ("Bucket", "Key", "VendorKeys"):
        assert template["Resources"][name]["DeletionPolicy"] == "Retain"
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_no_key_is_written_down(template: dict[str, Any], compose: dict[str, Any]) -> None:
    container = template["Resources"]["WorkerTask"]["Properties"]["ContainerDefinitions"][0]
    environment = {said["Name"]: said["Value"] for said in container["Environment"]}
    assert "Secrets" not in container, "references are resolved by who needs the key"
    for name in ("RUNWAYML_API_SECRET", "ELEVENLABS_API_KEY"):
        assert is_reference(environment[name].replace("${Prefix}", "shotrunner"))
    assert environment["SHOTRUNNER_STORE"] == "s3://${Bucket}", "the layout's own prefix is not part of it"
    assert template["Resources"]["VendorKeys"]["Properties"]["SecretString"] == "{}"
    lines = (DEPLOY / "env.example").read_text().splitlines()
    said = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z0-9_]+=", line))
    assert all(not value or is_reference(value) for value in said.values())
