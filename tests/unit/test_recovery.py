import re
from pathlib import Path

import opslib
from opslib.backup import take
from opslib.backup.drill import steps as drill
from opslib.backup.offsite import pull, remove
from opslib.backup.restore import steps as restore
from opslib.certbot import issue
from opslib.certbot import remove as certificates
from opslib.deploy import build, env_push, gate, push
from opslib.deploy import steps as deploy
from opslib.deploy.bare import steps as bare
from opslib.deploy.rotate import steps as rotate
from opslib.host import swarm
from opslib.migrate import steps as migrate
from opslib.proxy import site_steps
from opslib.tasks._recovery import Recoveries


def test_no_two_capabilities_have_a_step_of_the_same_name():
    """Recovery finds the undo by the name alone. A build is the same step in a deploy."""
    capabilities = (
        deploy,
        migrate,
        take,
        drill,
        pull,
        remove,
        restore,
        bare,
        push,
        gate,
        env_push,
        rotate,
        swarm,
        issue,
        certificates,
        site_steps,
    )
    parts = [set(part.RECOVERIES) for part in capabilities]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert set.union(*parts, build.RECOVERIES) == set(Recoveries())


def test_every_step_that_can_be_undone_is_known():
    """Whatever a run leaves half done, the next one must be able to undo."""
    known = Recoveries()
    for path in Path(opslib.__file__).parent.glob("**/*.py"):
        text = path.read_text()
        if "Step(" not in text or path.parent.name == "run":
            continue
        for name in re.findall(r'\bStep\(\s*"([^"]+)"', text):
            assert name in known or not re.search(rf'Step\(\s*"{re.escape(name)}"[^\n]*(undo|final)', text), name
