"""Keys by reference: read from every place they may be kept, when a request goes out, and shown nowhere."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloud import client_of, environment_of, running, use
from conformance.s3server import S3Server
from pydantic import SecretStr

from infra import errors
from infra.audio.base import SoundRequest
from infra.audio.elevenlabs import ElevenLabsProvider
from infra.keys import KEPT_SECONDS, VendorKey, is_reference, named_variables
from infra.masking import Masking
from infra.orchestrator import PrefectServer
from infra.providers.base import ProviderRequest
from infra.providers.runway import RunwayProvider
from infra.settings import SettingsError, read_settings

OLD, NEW = "key_" + "01" * 64, "key_" + "0e" * 64
TASK = "17f20503-6c24-4c16-946b-35dbbce2af2f"
CREATE = ProviderRequest("/v1/text_to_video", {"model": "gen4.5", "promptText": "a kettle", "duration": 5})
SPEECH = SoundRequest("/v1/text-to-speech/warm?output_format=mp3_44100_128", {"text": "water"})


class Hands:
    """Monotonic time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- where a key may be kept ---


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    key = VendorKey("env:ALDER_RUNWAY")
    with pytest.raises(errors.KeyUnreadableError, match="env:ALDER_RUNWAY: the environment has no ALDER_RUNWAY"):
        key.reveal()
    monkeypatch.setenv("ALDER_RUNWAY", OLD)
    assert key.reveal() == OLD
    monkeypatch.setenv("ALDER_RUNWAY", NEW)
    assert key.reveal() == NEW, "it is read every time"


def test_a_file(tmp_path: Path) -> None:
    place = tmp_path / "runway_key"
    key = VendorKey(SecretStr(f"file:{place}"))
    with pytest.raises(errors.KeyUnreadableError, match="No such file"):
        key.reveal()
    place.write_text(f"{OLD}\n")
    assert key.reveal() == OLD
    place.write_text(NEW)
    assert key.reveal() == NEW


@pytest.mark.parametrize("text", ["", "  \n", "two words", "key_ü", "x" * 70_000, "env:OTHER"])
def test_a_file_without_a_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    with pytest.raises(errors.KeyUnreadableError) as caught:
        VendorKey(f"file:{tmp_path}/k").reveal()
    assert not text.strip() or text not in str(caught.value)


def test_a_path_means_the_same_everywhere() -> None:
    with pytest.raises(errors.KeyUnreadableError, match="not absolute"):
        VendorKey("file:secrets/key").reveal()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running(tmp_path_factory.mktemp("aws")) as server:
        yield server


def test_aws(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, environment_of(server))
    secrets = client_of(server, "secretsmanager")
    made = secrets.create_secret(Name="alder/vendors", SecretString=json.dumps({"runway": OLD, "n": 1}))
    secrets.create_secret(Name="alder/plain", SecretString=f"{NEW}\n")
    assert VendorKey("aws-sm:alder/vendors#runway").reveal() == OLD
    assert VendorKey(f"aws-sm:{made['ARN']}#runway").reveal() == OLD
    assert VendorKey("aws-sm:alder/plain").reveal() == NEW
    for place in ("alder/vendors#elevenlabs", "alder/vendors#n", "alder/plain#runway"):
        with pytest.raises(errors.KeyUnreadableError, match="no text under") as caught:
            VendorKey(f"aws-sm:{place}").reveal()
        assert OLD not in str(caught.value)
        assert NEW not in str(caught.value)
    with pytest.raises(errors.KeyUnreadableError, match="ResourceNotFoundException"):
        VendorKey("aws-sm:nowhere").reveal()


def test_aws_is_asked_every_five_minutes(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, environment_of(server))
    secrets, hands = client_of(server, "secretsmanager"), Hands()
    secrets.create_secret(Name="alder/kept", SecretString=OLD)
    key = VendorKey("aws-sm:alder/kept", monotonic=hands)
    assert key.reveal() == OLD
    secrets.put_secret_value(SecretId="alder/kept", SecretString=NEW)
    hands.now = KEPT_SECONDS - 1
    assert key.reveal() == OLD
    hands.now = KEPT_SECONDS
    assert key.reveal() == NEW


def test_aws_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    use(monkeypatch, {**nobody, "AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(errors.KeyUnreadableError, match="NoRegionError"):
        VendorKey("aws-sm:alder").reveal()
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with pytest.raises(errors.KeyUnreadableError, match="NoCredentialsError"):
        VendorKey("aws-sm:alder").reveal()


class Blocks(BaseHTTPRequestHandler):
    """The one call of Prefect's API that is used; the real server is asked in the tests of flows."""

    def do_GET(self) -> None:
        name = self.path.split("/")[-1].partition("?")[0]
        if self.headers.get("Authorization") not in ("Basic YWRtaW46cGFzcw==", "Bearer pnu_1"):
            return self._answer(401, {})
        texts: dict[str, Any] = {"runway": OLD, "number": 7}
        if name not in texts:
            return self._answer(404 if name != "broken" else 500, {"detail": "Block document not found"})
        shown = texts[name] if "include_secrets=true" in self.path else "********"
        return self._answer(200, {"data": {"value": shown}})

    def _answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Blocks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
        yield "prefect-secret"
        server.shutdown()


@pytest.mark.parametrize(("name", "value"), [("AUTH_STRING", "admin:pass"), ("KEY", "pnu_1")])
def test_a_block_of_prefect(blocks: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    key = VendorKey(f"{blocks}:runway")
    with pytest.raises(errors.KeyUnreadableError, match="HTTP 401"):
        key.reveal()
    monkeypatch.setenv(f"PREFECT_API_{name}", value)
    assert key.reveal() == OLD
    for block, told in (("nothing", "no secret block"), ("number", "no text"), ("broken", "HTTP 500")):
        with pytest.raises(errors.KeyUnreadableError, match=told):
            VendorKey(f"{blocks}:{block}").reveal()


def test_no_server_of_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(errors.KeyUnreadableError, match="PREFECT_API_URL is not set"):
        VendorKey("prefect-secret:runway").reveal()
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(errors.KeyUnreadableError, match="ConnectError"):
        VendorKey("prefect-secret:runway").reveal()


# --- what a reference is ---


@pytest.mark.parametrize("text", ["env:A", "file:/run/k", "aws-sm:a/b#c", "prefect-secret:x", "  env:A\n"])
def test_references(text: str) -> None:
    assert is_reference(text)
    assert VendorKey(text).reference == text.strip()


@pytest.mark.parametrize("text", [OLD, "env", "env:", "vault:x", "sk_abc", ""])
def test_no_references(text: str) -> None:
    assert not is_reference(text)


@pytest.mark.parametrize("text", ["vault:secret/runway", "key:0001", "", "a b"])
def test_a_misspelt_reference_is_not_sent_as_a_key(text: str) -> None:
    with pytest.raises(errors.CredentialsError) as caught:
        VendorKey(text)
    assert not text or text not in str(caught.value)


def test_the_variables_that_no_child_needs() -> None:
    assert named_variables(SecretStr("env:A"), SecretStr(OLD), None, SecretStr("env:B")) == ("A", "B")


def test_a_reference_may_stand_in_the_file_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNWAYML_API_SECRET", raising=False)
    config = tmp_path / "shotrunner.toml"
    config.write_text('runway_key = "aws-sm:alder/vendors#runway"\n')
    found = read_settings(tmp_path).runway_key
    assert found is not None
    assert found.get_secret_value() == "aws-sm:alder/vendors#runway"
    monkeypatch.setenv("RUNWAYML_API_SECRET", "env:ALDER")
    found = read_settings(tmp_path).runway_key
    assert found is not None
    assert found.get_secret_value() == "env:ALDER"
    for literal in (OLD, "vault:x", "env:"):
        config.write_text(f'elevenlabs_key = "{literal}"\n')
        with pytest.raises(SettingsError, match="elevenlabs_key is a secret") as caught:
            read_settings(tmp_path)
        assert literal not in str(caught.value).replace('"env:NAME"', "")


# --- a key that changes while it is used ---


class Vendor:
    """Accepts one key; everything else is answered with 401, and the key that came is echoed, as vendors do."""

    def __init__(self, accepted: str) -> None:
        self.accepted = accepted
        self.seen: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("xi-api-key") or request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append((request.method, key))
        if key != self.accepted:
            return httpx.Response(401, json={"error": f"Incorrect key: {key}", "detail": f"Incorrect key: {key}"})
        if "speech" in request.url.path:
            return httpx.Response(200, content=b"ID3", headers={"content-type": "audio/mpeg"})
        return httpx.Response(200, json={"id": TASK, "status": "RUNNING", "createdAt": "2026-01-01T00:00:00Z"})

    @property
    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


class Place:
    """A key in a file that is kept for five minutes, as one of a service is: what a remote place does."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from infra import secret_sources

        self.path, self.reads = path, 0

        def read(_: str) -> str:
            self.reads += 1
            return path.read_text()

        source = secret_sources.SecretSource(read, remote=True)
        monkeypatch.setitem(secret_sources.SOURCES, "aws-sm", source)  # type: ignore[arg-type]

    def write(self, key: str) -> None:
        self.path.write_text(key)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place(tmp_path / "kept", monkeypatch)
    found.write(OLD)
    return found


async def test_a_read_that_is_refused_fetches_the_key_again_once(test_clock: Any, place: Place) -> None:
    vendor = Vendor(OLD)
    provider = RunwayProvider("https://v.test", "aws-sm:x", "runway", clock=test_clock, client=vendor.client)
    await provider.poll(TASK)
    vendor.accepted = NEW
    place.write(NEW)
    await provider.poll(TASK)
    assert [key for _, key in vendor.seen] == [OLD, OLD, NEW]
    assert place.reads == 2
    vendor.accepted = "another"
    with pytest.raises(errors.CredentialsError) as caught:
        await provider.poll(TASK)
    assert len(vendor.seen) == 4, "the same key is not sent twice"
    assert place.reads == 3
    assert "[key]" in str(caught.value)
    assert NEW not in str(caught.value)


async def test_a_create_is_still_one_post_when_the_key_changed(test_clock: Any, place: Place) -> None:
    vendor = Vendor(NEW)
    provider = RunwayProvider("https://v.test", "aws-sm:x", "runway", clock=test_clock, client=vendor.client)
    with pytest.raises(errors.CredentialsError):
        await provider.submit(CREATE)
    place.write(NEW)
    with pytest.raises(errors.KeyChangedError, match="aws-sm:x holds another one now") as caught:
        await provider.submit(CREATE)
    assert OLD not in str(caught.value)
    assert [key for _, key in vendor.seen] == [OLD, OLD], "each was sent once"
    assert (await provider.submit(CREATE)).task_id == TASK
    assert vendor.seen[-1] == ("POST", NEW)


async def test_speech_too(place: Place) -> None:
    vendor = Vendor(NEW)
    provider = ElevenLabsProvider("https://v.test", "aws-sm:x", "elevenlabs", client=vendor.client)
    with pytest.raises(errors.CredentialsError) as caught:
        await provider.make(SPEECH)
    assert OLD not in str(caught.value)
    place.write(NEW)
    with pytest.raises(errors.KeyChangedError):
        await provider.make(SPEECH)
    assert (await provider.make(SPEECH)).data == b"ID3"
    assert [key for _, key in vendor.seen] == [OLD, OLD, NEW]


async def test_a_key_given_as_such_is_never_fetched(test_clock: Any) -> None:
    vendor = Vendor(NEW)
    provider = RunwayProvider("https://v.test", OLD, "runway", clock=test_clock, client=vendor.client)
    with pytest.raises(errors.CredentialsError) as caught:
        await provider.submit(CREATE)
    assert not isinstance(caught.value, errors.KeyChangedError)
    assert len(vendor.seen) == 1


async def test_a_place_that_is_gone_sends_nothing(test_clock: Any, place: Place) -> None:
    vendor = Vendor(OLD)
    provider = RunwayProvider("https://v.test", "env:NOT_SET_HERE", "runway", clock=test_clock, client=vendor.client)
    with pytest.raises(errors.KeyUnreadableError):
        await provider.submit(CREATE)
    assert vendor.seen == []


def test_one_fetch_for_many_that_were_refused_at_once(place: Place) -> None:
    key = VendorKey("aws-sm:x")
    key.reveal()
    place.write(NEW)
    barrier, changed = threading.Barrier(8), []

    def renew() -> None:
        barrier.wait()
        changed.append(key._renew(OLD))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert changed == [True] * 8
    assert place.reads == 2


# --- shown nowhere ---


@pytest.fixture
def masking() -> Iterator[Masking]:
    before = logging.getLogRecordFactory()
    masking = Masking()
    masking.add(OLD)
    yield masking
    logging.setLogRecordFactory(before)


def test_no_logger_shows_a_key(masking: Masking, caplog: pytest.LogCaptureFixture) -> None:
    masking.add(NEW)
    logger = logging.getLogger("somebody.elses.child")
    logger.warning("sent %s to %s", f"Bearer {OLD}", "v.test")
    logger.warning(f"plain {NEW} text")  # noqa: G004 - as others write
    logger.warning("%(key)s", {"key": OLD})
    try:
        raise ValueError(f"bad header {OLD}")
    except ValueError:
        logger.exception("it failed")
    assert "sent Bearer [key] to v.test" in caplog.text
    assert "plain [key] text" in caplog.text
    assert "bad header [key]" in caplog.text
    assert "Traceback" in caplog.text
    assert OLD not in caplog.text
    assert NEW not in caplog.text


def test_what_holds_no_key_is_left_as_it_is(masking: Masking, caplog: pytest.LogCaptureFixture) -> None:
    masking.add("abc")  # too short to be told from a word
    logging.getLogger("x").warning("abc %d", 3)
    assert caplog.records[0].args == (3,)
    assert caplog.records[0].getMessage() == "abc 3"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_the_server_of_a_run_gets_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALDER_RUNWAY", "RUNWAYML_API_SECRET", "ALDER_OTHER"):
        monkeypatch.setenv(name, OLD if name != "ALDER_OTHER" else "harmless")
    server = PrefectServer(tmp_path, without=named_variables(SecretStr("env:ALDER_RUNWAY")))
    try:
        told = Path(f"/proc/{server._process.pid}/environ").read_bytes()
    finally:
        server.stop()
    assert b"ALDER_OTHER=harmless" in told
    assert OLD.encode() not in told
