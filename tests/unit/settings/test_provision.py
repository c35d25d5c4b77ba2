import pytest

from opslib.errors import BadSettings
from opslib.settings.provision import Provision


def test_the_defaults(project):
    assert project.host("address: deploy@a\n").provision == Provision()


def test_what_may_be_said(project):
    host = project.host(
        "address: a\nprovision:\n  login: ubuntu\n  daemon: {registry-mirrors: [https://m], debug: true, mtu: 1400}\n"
        "  open: [80, 443/udp]\n  trusted: [10.0.0.0/8, fd00::1]\n  ssh: {PermitRootLogin: no, MaxAuthTries: 3}\n"
        '  swap: 1GiB\n  cron: {prune: "30 4 * * sun docker image prune -f"}\n  apt_wait: 5m\n  skip: [fail2ban]\n'
    ).provision
    assert host.daemon == {"registry-mirrors": ["https://m"], "debug": True, "mtu": 1400}
    assert (host.open, host.trusted) == (("80/tcp", "443/udp"), ("10.0.0.0/8", "fd00::1/128"))
    assert host.ssh == {"PermitRootLogin": "no", "MaxAuthTries": "3"}
    assert (host.swap, host.apt_wait, host.skip) == (1 << 30, 300.0, ("fail2ban",))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("login: Root", "expected a user's name"),
        ("open: [99999]", "expected a port like 443"),
        ("open: [yes]", "expected a port like 443"),
        ("trusted: [10.0.0.1/8]", "expected a network like"),
        ("docker: moby", "expected distribution or docker"),
        ("ssh: {Port 22: x}", "no keyword of sshd_config"),
        ("cron: {a/b: '@daily x'}", "no name"),
        ("cron: {a: '* * * * *'}", "expected five fields of cron and a command"),
        ("skip: [everything]", "expected packages or clock"),
        ("sudo_password: geheim", "only as ${NAME}"),
        ("packages: ['-y']", "expected the name of a package"),
        ("textfile: metrics", "expected an absolute path"),
    ],
)
def test_what_may_not(project, line, said):
    with pytest.raises(BadSettings) as error:
        project.host(f"address: a\nprovision:\n  {line}\n")
    assert said in error.value.what
