"""`inv env.…`: the env files of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


TASKS = (init, check)
