import pytest

from opslib.settings import schedule, units
from opslib.settings.health import as_header, as_tcp
from opslib.settings.units import Address, Reserve


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("30s", 30),
        ("1h30m", 5400),
        ("2d", 172800),
        ("500ms", 0.5),
        (90, 90),
        (1.5, 1.5),
        ("90", 90),
        (0, 0),
    ],
)
def test_seconds(text, seconds):
    assert units.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5 m", "m", "5x", "-5s", -5, "5m!", True, None, "1e3", "nan", "\u0665s"])
def test_no_seconds(text):
    with pytest.raises(ValueError, match="duration"):
        units.seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("350MB", 350_000_000), ("2GiB", 2 * 2**30), ("1.5 GB", 1_500_000_000), ("10kB", 10_000), ("7B", 7)],
)
def test_size(text, size):
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["350", 350, "3M", "MB", "-1GB", True, "1GBB"])
def test_no_size(text):
    with pytest.raises(ValueError, match="size"):
        units.size(text)


def test_reserve_is_a_share_of_the_disk_or_a_size():
    assert units.reserve("10%") == Reserve(fraction=0.1)
    assert units.reserve("10%").of(1001) == 101
    assert units.reserve("2GB").of(10) == 2_000_000_000


@pytest.mark.parametrize("text", ["100%", "%", 10, "ten", "10", "-1%", "10%%"])
def test_no_reserve(text):
    with pytest.raises(ValueError, match="10% or a size"):
        units.reserve(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("prod", Address("prod")),
        ("deploy@203.0.113.7", Address("203.0.113.7", "deploy")),
        ("deploy@example.com:2222", Address("example.com", "deploy", 2222)),
        ("[2001:db8::1]:22", Address("2001:db8::1", None, 22)),
        ("me@[::1]", Address("::1", "me")),
        ("me.x-1@host_1", Address("host_1", "me.x-1")),
        ("me@realm@host", Address("host", "me@realm")),
    ],
)
def test_address(text, address):
    assert units.address(text) == address
    assert units.address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "like deploy@example.com"),
        ("a b", "like deploy@example.com"),
        ("-oProxyCommand=x", "like deploy@example.com"),
        ("me@-host", "like deploy@example.com"),
        ("-l@host", "user name before the @"),
        ("@host", "user name"),
        ("$(id)@host", "user name"),
        ("ssh://me@host", "without ssh://"),
        ("host:0", "port from 1 to 65535"),
        ("host:65536", "port from 1 to 65535"),
        ("host:", "port from 1 to 65535"),
        ("host:\u0662\u0662", "port from 1 to 65535"),
        ("2001:db8::1", "in brackets"),
        ("[::1", "in brackets"),
        ("[nonsense]:22", "in the brackets"),
        ("host/path", "like deploy@example.com"),
        ("$(id)", "like deploy@example.com"),
        (22, "like deploy@example.com"),
    ],
)
def test_no_address(text, hint):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        units.address(text)
    assert hint in str(error.value)


@pytest.mark.parametrize(
    "text", ["0 2 * * *", "*/15 0-6,22 1,15 jan-mar mon-fri", "@daily", "0 2 * * 7", "0-30/10 * * * *", " 0  2 * * * "]
)
def test_cron(text):
    assert schedule.cron(text) == " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "", "0 2 * *", "0 2 * * * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 * 13 *", "0 2 * * 8", "@reboot",
        "0 2 * * *\n* * * * * rm", "0 2 * * % x", "5-1 * * * *", "*/0 * * * *", "*/x * * * *", ", * * * *",
        "mon * * * *", 5,
    ],
)  # fmt: skip
def test_no_cron(text):
    with pytest.raises(ValueError, match="cron expression"):
        schedule.cron(text)


def test_words_are_split_and_not_expanded():
    assert units.words("sudo -n docker") == ("sudo", "-n", "docker")
    assert units.words("sh -c 'a $B; c'") == ("sh", "-c", "a $B; c")
    for bad in ("", "  ", "''", "sh -c 'x", 5, None):
        with pytest.raises(ValueError, match="command"):
            units.words(bad)


@pytest.mark.parametrize("text", ["http://localhost:8000/health", "https://[::1]/x?y=z"])
def test_url(text):
    assert units.url(text) == text


@pytest.mark.parametrize(
    "text", ["localhost", "ftp://x/", "http://", "http://a b/", "http://x:99999/", "http://x/\n", 5]
)
def test_no_url(text):
    with pytest.raises(ValueError, match="like http"):
        units.url(text)


@pytest.mark.parametrize("text", ["/etc", "../x", "a/../../b", "~/x", 5])
def test_project_paths_stay_inside(text):
    with pytest.raises(ValueError, match="inside the project"):
        units.project_path(text)
    assert units.project_path("-odd name/ü..x") == "-odd name/ü..x"


def test_names():
    assert units.project_name("survey-2_x") == "survey-2_x"
    assert units.platform("linux/arm64/v8") == "linux/arm64/v8"
    assert units.group("web-1") == "web-1"
    for parser, bad in ((units.project_name, "Survey"), (units.platform, "linux"), (units.group, "@web")):
        with pytest.raises(ValueError, match="expected"):
            parser(bad)


@pytest.mark.parametrize("text", ["https://hc-ping.com/b1e2", "http://127.0.0.1:8000/ping/x?create=1"])
def test_ping_url(text):
    assert units.ping_url(text) == text


@pytest.mark.parametrize("text", ["", "hc-ping.com/x", "ftp://a/b", "https://a/b c", "https://a/é", 3, None])
def test_no_ping_url(text):
    with pytest.raises(ValueError, match="expected an address like https://hc-ping"):
        units.ping_url(text)


@pytest.mark.parametrize(
    ("text", "good"), [("mailto://u:p@a.b", True), ("tgram://x/y", True), ("a.b", False), (3, False)]
)
def test_apprise_url(text, good):
    if good:
        assert units.apprise_url(text) == text
        return
    with pytest.raises(ValueError, match="expected an address of apprise"):
        units.apprise_url(text)


@pytest.mark.parametrize(
    "value, found",
    [
        (5432, ("localhost", 5432)),
        ("5432", ("localhost", 5432)),
        ("db.internal:1", ("db.internal", 1)),
        ("[::1]:2", ("::1", 2)),
    ],
)
def test_a_port_that_is_asked(value, found):
    assert (as_tcp(value).host, as_tcp(value).port) == found


def test_a_header_that_is_wanted():
    assert (as_header("X-Ready: yes: or no"), as_header("X-Ready")) == ("x-ready:yes: or no", "x-ready:")
