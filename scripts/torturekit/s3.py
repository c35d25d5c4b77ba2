"""An S3 server that fails: killed while something is sent, errors, a slow line, and what it refuses."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext

from opslib.backup.offsite import look
from opslib.run.fleet import look_on
from tests.stores.gateway import BUCKET, REGION, ROOT, Gateway

from .ground import Ground
from .plain import Plain
from .proxy import SKEWED, proxy
from .tally import Bad, Row, attempts

SIZE = 6_000_000
_STORE = (
    "{{url: 's3://{bucket}', name: s3, endpoint: 'http://127.0.0.1:{port}', region: {region}, "
    "access_key: '${{TORTURE_KEY}}', secret_key: '${{TORTURE_SECRET}}', folder: sets, limit: {limit}}}"
)


def run(ground: Ground) -> list[Row]:
    """Each backup sends its set; what does not arrive arrives with the next one."""
    gateway = Gateway(ground.folder("s3"))
    ground.later(gateway.stop)
    place = Plain(ground.folder("bucket"), SIZE)
    place.expected = place.content()
    _right(place, gateway)
    place.inv("backup.all")
    third = -(-ground.dice.times // 3)
    few = 1 if ground.dice.short else 3

    def killed(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        _right(place, gateway, limit="8MB/s")
        process = place.begin("backup.all", "--wait", "1m")
        time.sleep(dice.uniform(0.3, 2.2))  # not a wait: the moment of the fall
        hit = process.poll() is None
        gateway.kill()
        gateway.start()
        code = place.ended(process)
        if code not in (0, 1):
            raise Bad(f"it ended with {code}")
        return _arrived(place, gateway, hit=hit)

    def controller(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
        _right(place, gateway, limit="8MB/s")
        process = place.begin("backup.all", "--wait", "1m")
        time.sleep(dice.uniform(0.3, 2.2))  # not a wait: the moment of the kill
        process.kill()
        return _arrived(place, gateway, hit=place.ended(process) < 0)

    rows = [
        attempts(ground.dice, Row("the S3 server killed during a push, and started again"), [place], third, killed),
        attempts(ground.dice, Row("`kill -9` of the controller during a push to S3"), [place], third, controller),
    ]
    for what, how in _ways(place, gateway).items():
        rows.append(attempts(ground.dice, Row(what), [place], few, how))
    return rows


Work = Callable[[Plain, int, random.Random], tuple[bool, int]]


def _ways(place: Plain, gateway: Gateway) -> dict[str, Work]:
    def way(
        code: int, words: str, between: Callable[[random.Random], AbstractContextManager[int]], **wrong: str
    ) -> Work:
        def work(place: Plain, number: int, dice: random.Random) -> tuple[bool, int]:
            with between(dice) as port:
                _right(place, gateway, port=port, **wrong)
                said = place.inv("backup.all", "--wait", "1m", codes=(code,))
            if words not in said.lower() or "sesame" in said:
                raise Bad(f"it does not say {words!r}: {said[-500:]}")
            return _arrived(place, gateway, hit=True)

        return work

    def straight(dice: random.Random) -> AbstractContextManager[int]:
        return nullcontext(gateway.port)

    return {
        "S3 answers 500 a few times": way(0, "", lambda dice: proxy(gateway.port, errors=dice.randint(1, 6))),
        "S3 over a line of 2 MB/s": way(0, "", lambda dice: proxy(gateway.port, rate=2_000_000)),
        "S3 refuses the secret": way(1, "refused", straight, secret="open-sesame"),
        "S3 has no such bucket": way(1, "bucket", straight, bucket="no-such-bucket"),
        "S3 is in another region": way(1, "region", straight, region="eu-north-1"),
        "S3 finds the clock wrong": way(1, "clock", lambda dice: proxy(gateway.port, answer=SKEWED)),
    }


def _right(
    place: Plain, gateway: Gateway, port: int = 0, secret: str = ROOT[1], limit: str = "1GB/s", bucket: str = BUCKET,
    region: str = REGION,
) -> None:  # fmt: skip
    """The host file, as it should be but for what is given."""
    os.environ["TORTURE_KEY"], os.environ["TORTURE_SECRET"] = ROOT[0], secret
    store = _STORE.format(bucket=bucket, port=port or gateway.port, region=region, limit=limit)
    place.settings(store, "  keep: {last: 3}\n")


def _arrived(place: Plain, gateway: Gateway, *, hit: bool) -> tuple[bool, int]:
    """The next backup goes well, and everything in the bucket is whole and read to its end."""
    _right(place, gateway)
    place.inv("backup.all", "--wait", "1m")
    proven = place.examine()
    with closing(place.target()) as target:
        listed = look_on("backup.list", [target], look.show_list).hosts[0]
        if listed.error:
            raise Bad(f"the bucket cannot be listed: {listed.error}")
        for one in listed.result["sets"]:
            wrong = one["places"].get("s3", "it is not there") if "host" in one["places"] else None
            if wrong:
                raise Bad(f"{one['id']} in the bucket: {wrong}")
        for one in listed.result["sets"][-2:]:
            record = look_on("v", [target], lambda run: look.verify(run, one["id"], "s3"))  # noqa: B023
            if not record.ok:
                raise Bad(f"A BAD SET in the bucket: {record.hosts[0].error}")
    return hit, proven
