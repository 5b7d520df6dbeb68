"""News by webhook, over real HTTP on this machine: what arrives, what is tried again, what is never said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import TestClock
from webhooks import SECRET, Webhook, open_webhook

from infra.notify import NotifyError, address_of, post_news
from manifests.news import News

NEWS = News("failed", "winter", "winter: 1 thing went wrong", {"run_id": "r"})


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with open_webhook() as made:
        monkeypatch.setenv("WINTER_HOOK", made.url)
        yield made


async def test_the_news_arrives_with_a_text(hook: Webhook) -> None:
    await post_news("env:WINTER_HOOK", NEWS, TestClock())
    assert hook.got == [
        {"event": "failed", "campaign": "winter", "text": "winter: 1 thing went wrong", "facts": {"run_id": "r"}}
    ]


async def test_a_server_in_trouble_is_asked_again(hook: Webhook) -> None:
    hook.answers = [503, 429, 200]
    await post_news("env:WINTER_HOOK", NEWS, TestClock())
    assert len(hook.got) == 3


async def test_a_refusal_is_not_repeated_and_the_address_not_told(hook: Webhook) -> None:
    hook.answers = [404]
    with pytest.raises(NotifyError) as refused:
        await post_news("env:WINTER_HOOK", NEWS, TestClock())
    assert len(hook.got) == 1
    assert "404" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value)


async def test_nobody_there_says_so_without_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINTER_HOOK", "http://127.0.0.1:9/services/" + SECRET)
    clock = TestClock()
    with pytest.raises(NotifyError, match="env:WINTER_HOOK: ConnectError") as refused:
        await post_news("env:WINTER_HOOK", NEWS, clock)
    assert len(clock.naps) == 2
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("reference", "value", "words"),
    [
        ("https://hooks.example/secret", None, "is no reference"),
        ("env:", None, "is no reference"),
        ("env:NO_SUCH_HOOK", None, "the environment has no NO_SUCH_HOOK"),
        ("env:WINTER_HOOK", "not an address", "holds no http address"),
        ("file:/no/such/hook", None, "No such file"),
    ],
)
def test_a_reference_that_stands_for_nothing(
    reference: str, value: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value:
        monkeypatch.setenv("WINTER_HOOK", value)
    with pytest.raises(NotifyError, match=words) as refused:
        address_of(reference)
    assert value is None or value not in str(refused.value)


async def test_a_file_keeps_an_address_as_well(hook: Webhook, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(hook.url + "\n")
    await post_news(f"file:{tmp_path}/hook", NEWS, TestClock())
    assert len(hook.got) == 1
