"""Every fault that can be asked for does what it says, and the control endpoint turns the knobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from infra.backlot.faults import FaultDesk, FaultRule, fault_count, load_faults, parse_faults, split_faults
from manifests.diagnostics import ManifestError

BODY = {"model": "gen4_image", "promptText": "A cup on a worktop", "ratio": "720:720", "seed": 1}


def _post(caller: Any) -> httpx.Response:
    return caller.create("/v1/text_to_image", BODY)


def test_a_lost_answer_was_charged(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(match={"endpoint": "/v1/text_to_image"}, fault="lose-answer", times=1)])
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        _post(caller)
    assert caller.balance() == 1_000_000 - 5
    entry = caller.backlot.log.creates()[0]
    assert (entry["status"], entry["faults"]) == ("lost", ["lose-answer"])
    assert caller.wait(entry["task"])["status"] == "SUCCEEDED"
    assert _post(caller).status_code == 200
    assert caller.backlot.log.bought_twice() == {entry["digest"]: 2}


@pytest.mark.parametrize(
    ("fault", "status", "charged"),
    [
        ("status:429", 429, 0),
        ("status:400-quota", 400, 0),
        ("status:500", 500, 5),
        ("status:502-html", 502, 5),
        ("status:503-html", 503, 5),
        ("status:504-html", 504, 5),
        ("status-before-charge:500", 500, 0),
        ("status-before-charge:503-html", 503, 0),
    ],
)
def test_statuses(open_backlot: Callable[..., Any], fault: str, status: int, charged: int) -> None:
    caller = open_backlot(faults=[FaultRule(fault=fault)])
    answer = _post(caller)
    assert answer.status_code == status
    if "-html" in fault:
        assert answer.headers["content-type"].startswith("text/html")
        assert str(status) in answer.text
    else:
        assert set(answer.json()) == {"error"}
    assert 1_000_000 - caller.balance() == charged
    assert len(caller.backlot.log.purchases()) == (1 if charged else 0)


def test_no_credits_by_order(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="status:400-quota")])
    assert _post(caller).json() == {"error": "You do not have enough credits to run this task."}


def test_a_refused_body_is_refused_before_any_fault(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="status:502")])
    answer = caller.create("/v1/text_to_image", {**BODY, "ratio": "1:1"})
    assert answer.status_code == 400


def test_reads_can_fail_too(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(match={"endpoint": "/v1/tasks", "nth": 2}, fault="status:502-html")])
    task = caller.make_still()
    path = f"/v1/tasks/{task}"
    assert [caller.http.get(path).status_code for _ in range(3)] == [200, 502, 200]


def test_slow_answers(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="slow:0.3", times=1)])
    started = time.monotonic()
    assert _post(caller).status_code == 200
    assert time.monotonic() - started >= 0.3
    caller.control(faults=[{"fault": "slow:5", "times": 1}])
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{caller.url}/v1/text_to_image", json=BODY, headers=caller.http.headers, timeout=0.2)


def test_stuck_runs_for_ever(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="stuck")])
    task = caller.make_still()
    caller.wait(task, "RUNNING")
    caller.control(advance_seconds=30 * 24 * 3600)
    assert caller.look(task)["status"] == "RUNNING"


def test_an_unknown_status_passes(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="unknown-status:3")])
    task = caller.make_still()
    assert [caller.look(task)["status"] for _ in range(3)] == ["HELD_FOR_REVIEW"] * 3
    assert caller.wait(task)["status"] == "SUCCEEDED"


def test_a_missing_cost(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="missing-cost")])
    done = caller.wait(caller.make_still())
    assert done["status"] == "SUCCEEDED"
    assert "cost" not in done


def test_an_expired_link_is_healed_by_looking_again(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="expired-link:2")])
    task = caller.make_still()
    links = [caller.link(task), caller.look(task)["output"][0], caller.look(task)["output"][0]]
    assert [httpx.get(link, trust_env=False).status_code for link in links] == [403, 403, 200]


def test_a_truncated_download_breaks_off_half_way(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="truncated-download")])
    link = caller.link(caller.make_still())
    announced = int(httpx.head(link, trust_env=False).headers["content-length"])
    got = bytearray()

    def download() -> None:
        with httpx.stream("GET", link, trust_env=False) as answer:
            assert int(answer.headers["content-length"]) == announced
            for part in answer.iter_raw():
                got.extend(part)

    with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
        download()
    assert len(got) == announced // 2
    assert httpx.get(link, trust_env=False).content.startswith(bytes(got))


@pytest.mark.parametrize("flaw", ["black", "frozen", "wrong-size"])
def test_flawed_takes(open_backlot: Callable[..., Any], flaw: str) -> None:
    caller = open_backlot(faults=[FaultRule(fault=flaw, times=1)])
    data = httpx.get(caller.link(caller.make_take()), trust_env=False).content
    with av.open(BytesIO(data)) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(frames) == 48
    assert frames[0].shape == ((360, 640) if flaw == "wrong-size" else (720, 1280))
    if flaw == "black":
        assert max(frame.max() for frame in frames) <= 20
    if flaw == "frozen":
        assert frames[0].std() > 5
        assert max(np.abs(frame.astype(int) - frames[0]).mean() for frame in frames) < 1
    if flaw == "wrong-size":
        assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 1


def test_faults_hit_the_call_they_name(open_backlot: Callable[..., Any]) -> None:
    rule = FaultRule(match={"model": "gen4_image", "nth": 2}, fault="fail:INTERNAL")
    caller = open_backlot(faults=[rule])
    assert [caller.wait(caller.make_still())["status"] for _ in range(3)] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_counting() -> None:
    desk = FaultDesk.of(
        [
            FaultRule(match={"nth": 3}, fault="stuck", times=2),
            FaultRule(match={"endpoint": "/outputs", "method": "get"}, fault="slow:1"),
            FaultRule(match={"endpoint": "/v1/tasks/7"}, fault="slow:2"),
        ]
    )

    def take(method: str, path: str, *, create: bool = False) -> list[str]:
        return desk.take(method=method, path=path, model="m", create=create)

    creates = [take("POST", "/v1/text_to_video", create=True) for _ in range(6)]
    assert creates == [[], [], ["stuck"], ["stuck"], [], []]
    assert take("GET", "/outputs/1/a.mp4") == ["slow:1"]
    assert take("HEAD", "/outputs/1/a.mp4") == []
    assert take("GET", "/v1/tasks/7") == ["slow:2"]
    assert take("GET", "/v1/tasks/77") == []
    assert split_faults(["slow:1", "stuck", "lose-answer"]) == (["slow:1", "lose-answer"], ["stuck"])
    assert (fault_count(["expired-link"], "expired-link"), fault_count([], "expired-link")) == (1, 0)


def test_a_faults_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        "- match: {endpoint: /v1/image_to_video, nth: 1}\n  fault: lose-answer\n- fault: fail:null\n  times: 2\n"
    )
    rules = load_faults(path)
    assert rules[0].match.endpoint == "/v1/image_to_video"
    assert rules[1].times == 2
    path.write_text(json.dumps({"faults": [rule.model_dump() for rule in rules]}))
    assert load_faults(path) == rules
    path.write_text("- fault: explode\n- match: {modle: x}\n  fault: stuck\n- fault: status:499\n")
    with pytest.raises(ManifestError) as told:
        load_faults(path)
    text = str(told.value)
    assert "rule 1" in text
    assert "'explode' is not a fault" in text
    assert "rule 2: match.modle" in text
    assert "499 is not an HTTP status" in text
    path.write_text("just text\n")
    with pytest.raises(ManifestError, match="list of rules"):
        load_faults(path)


@pytest.mark.parametrize("data", [None, 5, {}, {"faults": {}}, [5], ["stuck"]])
def test_rules_of_another_shape_are_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"rule|list"):
        parse_faults(data)


def test_control_changes_all_or_nothing(caller: Any) -> None:
    shown = caller.control(latency=2.5, concurrency=4, daily=9, balance=77, faults=[{"fault": "stuck"}], clock_scale=10)
    assert (shown["latency"], shown["concurrency"], shown["daily"], shown["clock_scale"]) == (2.5, 4, 9, 10)
    assert caller.balance() == 77
    bad = {"latency": -1, "clock_scale": 0, "balance": True, "colour": "red", "faults": [{"fault": "x"}], "daily": 5}
    refused = caller.http.post("/backlot/control", json=bad)
    assert refused.status_code == 400
    for name in ("latency", "clock_scale", "balance", "colour", "faults"):
        assert f"{name}:" in refused.json()["error"]
    assert caller.http.get("/backlot/control").json()["daily"] == 9
    for content in (b"{", b"[]"):
        assert caller.http.post("/backlot/control", content=content).status_code == 400
    assert caller.control(concurrency=None, daily=None)["concurrency"] is None


def test_a_faster_clock_shortens_the_wait(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(latency=600)
    task = caller.make_still()
    caller.control(clock_scale=100_000)
    assert caller.wait(task)["status"] == "SUCCEEDED"


def test_introduction_and_log_need_no_key(caller: Any) -> None:
    with httpx.Client(base_url=caller.url, trust_env=False) as stranger:
        told = stranger.get("/backlot").json()
        assert told["service"] == "backlot"
        assert told["vendors"] == ["runway", "elevenlabs"]
        caller.make_still()
        log = stranger.get("/backlot/log").json()
        assert [entry["path"] for entry in log["entries"]] == ["/backlot", "/v1/text_to_image"]
        assert stranger.get("/backlot/log", params={"after": 2}).json()["entries"][0]["path"] == "/backlot/log"
        assert stranger.get("/backlot/log", params={"after": "x"}).status_code == 400
    text = (caller.backlot.folder / "requests.jsonl").read_text()
    assert "A cup" not in text
    assert "key_test" not in text


def test_unknown_paths_and_methods_answer_in_json(caller: Any) -> None:
    assert (caller.http.get("/v1/nothing").status_code, caller.http.get("/v1/nothing").json()) == (
        404,
        {"error": "Not found"},
    )
    assert caller.http.get("/v1/text_to_video").status_code == 405
