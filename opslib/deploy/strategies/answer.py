"""What a person says to a deploy that watches a canary, from another terminal: that deploy holds the lock, so a note is
left on the server, which it reads at its next look.

`rolling/watched` is there while it listens, with the run's id; `canary.said` is the note, in the folder that everybody
who deploys may write; the deploy takes it to `rolling/heard`.
"""

from __future__ import annotations

from opslib.command import bash
from opslib.deploy.strategies import roll
from opslib.errors import OpsError
from opslib.run.record import holder
from opslib.run.step import Run
from opslib.target.base import Target

WORDS = ("promote", "abort")
_PATIENCE = 20  # seconds for a look of the deploy

_GIVE = """watch=$1 said=$2; shift 2
[[ -e $watch/watched ]] || { echo nobody; exit; }
run=$(<"$watch/watched")
umask 007; printf '%s\\n' "$run $1 $2" >"$said.part.$$" && mv -fT -- "$said.part.$$" "$said" || exit
for ((i = 0; i < $3 * 10; i++)); do
  [[ ! -e $watch/heard || $(<"$watch/heard") != "$run $1 $2" ]] || { echo "heard $run"; exit; }
  [[ -e $watch/watched ]] || break
  sleep .1
done
rm -f -- "$said"
[[ -e $watch/watched ]] && echo silent || echo over"""
_LISTEN = """[[ ! -e $2 ]] || mv -fT -- "$2" "$1/heard" || exit
[[ ! -e $1/heard ]] || echo "$(<"$1/heard")"
"""


def give(run: Run, word: str) -> None:
    """Leave one of `WORDS` for the deploy that is watching, and wait until it has read it. Fills the run's `result`:
    `deploy` is that run. Raises OpsError where nobody reads it."""
    target, who = run.target, holder("").split(":")[0]
    said = target.run(bash(_GIVE, roll.folder(target), _note(target), word, who, str(_PATIENCE))).text
    answer, _, deploy = said.partition(" ")
    if answer == "heard":
        run.result.update(deploy=deploy, answer=word)
        return
    what, then = {
        "nobody": ("no canary is being watched", f"inv releases --host {run.host} says what runs"),
        "over": ("the watch has just ended by itself", f"inv releases --host {run.host} says what runs"),
    }.get(answer, (
        f"the deploy that watches has not read it for {_PATIENCE} s: it, or its line, may be gone",
        "nothing: then the server goes back by itself within a minute",
    ))  # fmt: skip
    raise OpsError(what, host=run.host, left="everything", next=then)


def listen(run: Run) -> None:
    """From now on somebody may say something. What was said before counts no more."""
    run.target.run(bash('rm -f -- "$1"', _note(run.target)))
    roll.note(run.target, {"watched": run.id})


def heard(run: Run) -> tuple[str, str] | None:
    """What was said to this run: the word, and who said it."""
    said = run.target.run(bash(_LISTEN, roll.folder(run.target), _note(run.target))).text.split(" ", 2)
    return (said[1], said[2]) if len(said) == 3 and said[0] == run.id and said[1] in WORDS else None


def deaf(target: Target) -> None:
    """Nobody listens any more."""
    target.run(bash('rm -f -- "$1/watched"', roll.folder(target)))


def _note(target: Target) -> str:
    return f"{target.state}/canary.said"
