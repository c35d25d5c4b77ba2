"""With apprise itself, which posts JSON to a server on loopback."""

import json
import sys

import pytest

from opslib.command import Secret
from opslib.errors import OpsError
from opslib.settings.model import Signals
from opslib.signals.check import check
from opslib.signals.notify import notify, unknown


def test_a_failure_and_a_recovery(listener):
    url = Secret(f"json://{listener.address}/alert")
    assert notify([url, url], "failed", "it failed", "line\nline") == []
    assert notify([url], "recovered", "it works", "line") == []
    told = [json.loads(text) for _, text in listener.heard]
    assert [one["type"] for one in told] == ["failure", "failure", "success"]
    assert (told[0]["title"], told[0]["message"]) == ("it failed", "line\nline")


def test_what_was_not_sent_is_named_without_its_address(listener, caplog):
    listener.answer = lambda path: 403
    urls = [Secret(f"json://user:hunter2@{listener.address}/alert"), Secret("nonsense://hunter2")]
    assert notify(urls, "failed", "it failed", "line") == ["json", "nonsense"]
    assert unknown(urls) == ["nonsense"]
    assert caplog.text == "", "what apprise says of it holds the address"


@pytest.mark.parametrize(("option", "parts"), [("", False), ("?overflow=split", True)])
def test_what_is_longer_than_a_service_takes_is_cut(listener, option, parts):
    url = Secret(f"mmost://{listener.address}/{'a' * 24}{option}")  # Mattermost takes 4,000 characters
    assert notify([url], "failed", "it failed", "the error\n" + "xx\n" * 3_000) == []
    assert (len(listener.heard) > 1) is parts
    first = json.loads(listener.heard[0][1])["text"]
    assert first.split()[:5] == ["it", "failed", "the", "error", "xx"]
    assert len(first) <= 4_000


def test_without_apprise(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(OpsError, match="apprise, which is not installed") as caught:
        check(Signals(notify=(Secret("json://x"),)), "prod")
    assert "pip install apprise" in (caught.value.next or "")
    check(Signals(), "prod")


def test_what_would_fail_each_time_is_refused(tmp_path):
    with pytest.raises(OpsError, match="begins with nonsense://") as caught:
        check(Signals(notify=(Secret("nonsense://hunter2"),)), "prod")
    assert "hunter2" not in caught.value.text()
    with pytest.raises(OpsError, match="is no folder here"):
        check(Signals(metrics=str(tmp_path / "none")), "prod")
    check(Signals(metrics=str(tmp_path), notify=(Secret("json://x"),)), "prod")
