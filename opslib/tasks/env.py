"""`inv env.…`: the env files of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opslib.tasks._task import task

if TYPE_CHECKING:
    from opslib.env.example import Variable
    from opslib.run.record import Record
    from opslib.tasks._call import Call


@task("env.init", options=("plan", "yes"), needs="nothing")
def init(call: Call) -> Record:
    """Make the env file from its example, with new secrets.

    It asks for what has no default. What is in the env file stays as it is. Of services' own env files the same, where
    there are examples of them. Secrets are made of letters, digits, _ and -, which need no quotes anywhere. Without a
    terminal, or with --yes, what has no default stays empty, and is named.
    """
    from opslib.env.init import init
    from opslib.tasks._show_env import made

    return call.here(
        lambda name: init(
            call.this_machine(), call.root, call.settings(name), lambda file, one: _ask(call, file, one), plan=call.plan
        ),
        show=made,
    )


@task("env.check", needs="nothing")
def check(call: Call) -> Record:
    """Is the env file what the stack needs, and safe?

    No value is shown. Compared with its example, the compose files, what runs, and how Compose and python-dotenv read
    it. Exits with 3 when something breaks the stack or exposes a secret.
    """
    from opslib.env.look import findings
    from opslib.tasks._show_env import found

    here = call.this_machine()
    return call.look(lambda run: findings(run, here, call.root), show=found)


@task("env.diff", needs="nothing", help={"all_": "Also the variables that are the same everywhere"})
def diff(call: Call, all_: bool = False) -> Record:
    """Compare env files here, on servers, and in what runs.

    No value is shown, but a mark of each: equal values have equal marks, within one output. Of several hosts all are in
    one table.
    """
    from opslib.deploy.options import in_place
    from opslib.env.diff import Marks, diff
    from opslib.tasks._show_env import differing

    marks = Marks()
    record = call.look(lambda run: diff(run, call.root, marks, same=in_place(run.target, call.root)))
    call.show = differing(record, every=all_)
    return record


@task(
    "env.push",
    changes=True,
    together=True,
    needs="nothing",
    help={
        "restart": "Restart the services that use a variable which has changed",
        "env": "here: also over a file that somebody else has changed there",
    },
)
def push(call: Call, restart: bool = False, env: str | None = None) -> Record:
    """Send the env file; restart what uses it.

    It is there whole or not at all; the last 5 that were replaced are kept. With --restart the live release runs on as
    it is, with the new variables, and what goes wrong puts the old ones back.
    """
    from opslib.deploy.env_push import Options, steps
    from opslib.errors import BadSettings
    from opslib.tasks._show_env import pushed

    if env not in (None, "here"):
        raise BadSettings(f"--env {env!r}: expected here", left="everything")
    options = Options(call.root, call.this_machine(), restart, "here" if env else None)
    return call.carry_out(lambda run: steps(run, options), show=pushed)


@task(
    "env.pull",
    options=("plan", "yes"),
    needs="nothing",
    one_host=True,
    help={"keys": "Only these variables (commas between); the rest of the file here stays"},
)
def pull(call: Call, keys: str | None = None) -> Record:
    """Take the server's env file over into the one here.

    The file here is kept in .opslib/env, and so are the last 4 before it.
    """
    from opslib.deploy.env_pull import pull
    from opslib.run.fleet import new_id
    from opslib.run.step import Run
    from opslib.tasks._show_env import pulled

    names = [name.strip() for name in keys.split(",")] if keys is not None else []

    def work(name: str) -> tuple[bool, dict[str, Any]]:
        run = Run(new_id(), call.task, call.another(name), (name,), call.plan)
        return pull(run, call.this_machine(), call.root, names, call.confirm), run.result

    return call.here(work, show=pulled)


@task(
    "env.rotate",
    changes=True,
    together=True,
    positional=("key",),
    help={"key": "The variable", "undo": "Give it back the value that it had before its last rotation"},
)
def rotate(call: Call, key: str | None = None, undo: bool = False) -> Record:
    """Renew a secret, in its database and in what runs.

    It gets a new value, made as the example says. Where it is the password of a user of PostgreSQL, MySQL, MariaDB,
    MongoDB or Redis, that is changed too, and proven by logins. What goes wrong puts the old one back everywhere, and
    so does the next run after a kill. The env file here is changed as well.
    """
    from opslib.deploy.rotate.look import Options
    from opslib.deploy.rotate.steps import steps
    from opslib.tasks._show_env import renewed

    assert key is not None, "Invoke asks for it"
    _ask_about_others(call, key)
    options = Options(key, call.root, call.this_machine(), undo)
    return call.carry_out(lambda run: steps(run, options), show=renewed)


def _ask_about_others(call: Call, key: str) -> None:
    """A secret that other hosts take from the same file is a new one for them as well."""
    from opslib.settings.select import sharing

    if others := sharing(call.root, call.hosts):
        call.confirm(
            f"{', '.join(others)} read the same env file, and have the old {key} until it is rotated there too: "
            f"together with --host {','.join([*call.names, *others])}. Go on with {', '.join(call.names)} alone?"
        )


def _ask(call: Call, file: str, variable: Variable) -> str | None:
    if call.plan or call.yes or not call.ui.person.there:
        return None
    about = f" ({variable.about})" if variable.about else ""
    while True:
        given = call.ui.person.text(f"{file}: {variable.name}{about}")
        wrong = variable.kind.wrong(given) if variable.kind and given else ""
        if not wrong:
            return given or None
        call.ui.say(wrong, "yellow")


TASKS = (init, check, diff, push, pull, rotate)
