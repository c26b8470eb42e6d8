"""Requests and answers that get lost on their way to AWS: python -m torture.lost RUN WORD …

The client talks to a local AWS through a door that drops the request, or carries it out, drops the
answer and refuses the retry. Then there is to be one job, known by its name in run.json, and the
same command, or attach, brings its run to its end.
"""

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from torture.cases import Case, End, Kind, Verdict
from torture.lab import PLAIN, Lab

_CODES = ("ResourceLimitExceeded", "ExpiredTokenException", "AccessDeniedException")
# How a request fares: dropped so often, then an answer lost in this way, then these refusals.
_WAYS: dict[str, tuple[int, str | None, tuple[tuple[str, str], ...]]] = {
    "request dropped once": (1, None, ()),
    "request dropped twice": (2, None, ()),
    **{
        f"request dropped, retry refused: {code}": (1, None, (("CreateTrainingJob", code),))
        for code in _CODES
    },
    **{
        f"answer lost ({how}), retry refused: {code}": (0, how, (("CreateTrainingJob", code),))
        for how, code in itertools.product(("cut", "a 500"), _CODES)
    },
    "answer lost, retry and question refused": (
        *(0, "cut"),
        (("CreateTrainingJob", _CODES[1]), ("DescribeTrainingJob", _CODES[1])),
    ),
}


def kinds(lab: Lab) -> list[Kind]:
    cases = [
        Case(f"{way}, then {again}", partial(_judge, lab, way, again))
        for way in _WAYS
        for again in ("attach", "the same command")
    ]
    return [Kind("lost request or answer of AWS", iter(cases))]


def _judge(lab: Lab, way: str, again: str, path: Path) -> Verdict:
    words = [*lab.tiny, *PLAIN]
    ended = lab.run("torture.lost", lab.plain, path, way, again, *words)
    lines = ended.out.splitlines()
    if ended.code or not lines:
        return Verdict(End.TRACEBACK, ended.crash or ended.err)
    found = json.loads(lines[-1])
    return Verdict(End(found["end"]), found["detail"])


@contextlib.contextmanager
def _door() -> Iterator[Any]:
    """A way to a local AWS, for a client that asks twice and no more."""
    import pytest
    from botocore.config import Config

    from launch import jobs
    from launch.aws import client
    from tests.support.doubles import Door
    from tests.support.local_aws import local_aws

    few = Config(retries={"mode": "standard", "total_max_attempts": 2})
    with local_aws() as aws, pytest.MonkeyPatch.context() as patch:
        door = Door(aws)
        door.open()
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{door.port}")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setattr(jobs, "_POLL_S", 0.05)
        patch.setattr(client, "_CLIENT", client._CLIENT.merge(few))
        yield door
        door.shut()


def _try(trained: Path, path: Path, way: str, again: str, words: list[str]) -> Verdict:
    from tests.support.called import Said, call
    from tests.support.doubles import Actor, words_of
    from tests.support.runs import FILES, files_of, read

    run = path / "run"

    def submit() -> Said:
        return call("imdb_cls.train", *words_of(words, run))

    def attach() -> Said:
        return call("launch.jobs", "attach", run)

    with _door() as door:

        def complete(job: Any) -> None:
            actor = Actor(door.aws, trained)
            actor.may_end.set()
            actor.run(job)

        door.aws.training.runner = complete
        door.dropped, door.lost, refusals = _WAYS[way]
        for operation, code in refusals:
            door.refuse(operation, code)
        first = submit()
        if first.code not in (0, 2):
            return Verdict(End.TRACEBACK, first.err)
        if not run.exists():
            return Verdict(End.DIFFERENT, f"the run is forgotten; jobs: {door.jobs}: {first.err}")
        name = read(run, "run.json")["job_name"]
        if first.code and again == "the same command":
            second = submit()
            if second.code:
                return Verdict(End.TRACEBACK, f"the same command: {second.err}")
        last = attach()
        if last.code:
            return Verdict(End.TRACEBACK, f"attach: {last.err}")
        known = read(run, "run.json")["job_name"]
        if door.jobs != [name] or known != name:
            return Verdict(End.DIFFERENT, f"jobs {door.jobs}, known {known}, at first {name}")
        if files_of(run) != FILES or read(run, "run.json")["status"] != "completed":
            return Verdict(End.DIFFERENT, f"files: {files_of(run) ^ FILES}")
        return Verdict(End.SAME if first.code == 0 else End.REFUSED)


if __name__ == "__main__":
    _trained, _path, _way, _again, *_words = sys.argv[1:]
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    _verdict = _try(Path(_trained), Path(_path), _way, _again, _words)
    print(json.dumps({"end": _verdict.end, "detail": _verdict.detail}))
