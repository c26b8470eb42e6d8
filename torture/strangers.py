"""Run directories and archives that somebody made to harm whoever uses them.

Whatever the answer is: nothing in them runs, nothing is written beside the run, no secret of the
environment is read, and no control character or markup of theirs is obeyed.
"""

import io
import itertools
import json
import os
import pickle
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from torture.cases import Case, End, Kind, Verdict
from torture.damaged import COMMANDS, Command
from torture.lab import Lab

_SECRET = "planted-secret-of-the-environment"
_MARK = "<script>document.title='obeyed'</script>\x1b]0;obeyed\x07[bold]x[/bold][/nothing]"
_PLANT = """
import sys
from pathlib import Path
from tests.support.cut_runs import plant
plant(Path(sys.argv[2]), Path(sys.argv[3]))
sys.exit()
"""
# Changes a run; gets the lab, the run, and a directory beside it that must stay as it is.
Plant = Callable[[Lab, Path, Path], object]


class _Runs:
    """Touches a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.file}'",)


def _pickled_checkpoint(name: str) -> Plant:
    def plant(lab: Lab, run: Path, beside: Path) -> None:
        lab.must("plant", run / "checkpoints" / name, beside / "ran", condition=_PLANT)

    return plant


def _pickle(name: str) -> Plant:
    """A bare pickle in the place of a file."""

    def plant(lab: Lab, run: Path, beside: Path) -> None:
        (run / name).write_bytes(pickle.dumps(_Runs(beside / "ran")))
        (run / "checkpoints" / "sha256.txt").unlink(missing_ok=True)

    return plant


def _module(name: str) -> Plant:
    """Code where a library may look for some."""

    def plant(lab: Lab, run: Path, beside: Path) -> None:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(f"open({str(beside / 'ran')!r}, 'w')\n")
        config = json.loads((run / "model" / "config.json").read_text())
        config["auto_map"] = {"AutoModelForSequenceClassification": f"{Path(name).stem}.Model"}
        (run / "model" / "config.json").write_text(json.dumps(config))

    return plant


def _link(name: str) -> Plant:
    """A link to a file outside with the same content."""

    def plant(lab: Lab, run: Path, beside: Path) -> None:
        target = beside / Path(name).name
        if (run / name).exists():
            (run / name).rename(target)
        else:
            target.write_text("mine")
        (run / name).symlink_to(target)

    return plant


def _leftovers_behind_a_link(lab: Lab, run: Path, beside: Path) -> None:
    """Files outside that look as if a killed process had left them."""
    (run / "checkpoints").rename(beside / "checkpoints")
    (run / "checkpoints").symlink_to(beside / "checkpoints")
    (beside / "checkpoints" / ".mine.999999").write_text("mine")


def _text_in(name: str, old: str, new: str) -> Plant:
    def plant(lab: Lab, run: Path, beside: Path) -> None:
        text = (run / name).read_text()
        assert old in text, (name, old)
        (run / name).write_text(text.replace(old, new.replace("BESIDE", str(beside)), 1))

    return plant


def _values(name: str, **values: Any) -> Plant:
    def plant(lab: Lab, run: Path, beside: Path) -> None:
        known = json.loads((run / name).read_text())
        text = json.dumps(known | values).replace("BESIDE", str(beside))
        (run / name).write_text(text)

    return plant


def _predictions(lab: Lab, run: Path, beside: Path) -> None:
    table = pq.read_table(run / "predictions.parquet")
    names = [f"{name}{_MARK}" if name == "tokens" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), run / "predictions.parquet")


def _pickled_column(lab: Lab, run: Path, beside: Path) -> None:
    """An Arrow extension that pickles, as a file may name it."""
    table = pq.read_table(run / "predictions.parquet")
    meta = {b"ARROW:extension:name": b"arrow.py_extension_type"}
    meta[b"ARROW:extension:metadata"] = pickle.dumps(_Runs(beside / "ran"))
    fields = [
        field.with_metadata(meta) if field.name == "probability" else field
        for field in table.schema
    ]
    pq.write_table(table.cast(pa.schema(fields)), run / "predictions.parquet")


PLANTS: dict[str, tuple[tuple[str, ...], Plant]] = {
    **{
        f"a pickle in {name}": (("resume", "predict", "leaderboard"), _pickled_checkpoint(name))
        for name in ("last.ckpt", "previous.ckpt", "best.ckpt")
    },
    **{
        f"a bare pickle as {name}": (commands, _pickle(name))
        for name, commands in {
            "checkpoints/last.ckpt": ("resume",),
            "checkpoints/best.ckpt": ("resume",),
            "model/model.safetensors": ("evaluate", "serve", "export"),
            "model/tokenizer.json": ("predict", "serve"),
            "model/model.int8.onnx": ("predict", "serve"),
            "model/config.json": ("evaluate",),
            "predictions.parquet": ("report",),
        }.items()
    },
    "code that config.json names": (("evaluate", "serve", "report"), _module("model/evil.py")),
    "code for an endpoint": (("serve",), _module("model/code/inference.py")),
    "code of Python's start": (("predict",), _module("sitecustomize.py")),
    "a pickling column": (("report",), _pickled_column),
    **{
        f"{name} is a link": (commands, _link(name))
        for name, commands in {
            "train.log": ("resume",),
            "metrics.csv": ("resume", "report"),
            "metrics.json": ("resume", "export"),
            "run.json": ("resume", "predict"),
            "config.yaml": ("resume",),
            "predictions.parquet": ("resume",),
            "model": ("resume", "export", "serve"),
            "checkpoints": ("resume",),
            "checkpoints/last.ckpt": ("resume",),
            "checkpoints/best.ckpt": ("resume",),
            "checkpoints/sha256.txt": ("resume",),
            "model/inference.json": ("export",),
            "report.html": ("report",),
        }.items()
    },
    "leftovers behind a link": (("resume", "predict", "report"), _leftovers_behind_a_link),
    "${oc.env:} in config.yaml": (
        ("resume", "report", "evaluate"),
        _text_in("config.yaml", "seed: ", "note: ${oc.env:OUR_PLANTED}\nseed: "),
    ),
    "an object in config.yaml": (
        ("resume", "report"),
        _text_in(
            "config.yaml",
            "seed: ",
            "x: !!python/object/apply:os.system ['touch BESIDE/ran']\nseed: ",
        ),
    ),
    "aliases without end in config.yaml": (
        ("predict", "report"),
        _text_in(
            "config.yaml",
            "seed: ",
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
                for a, b in itertools.pairwise("abcdefghi")
            )
            + "seed: ",
        ),
    ),
    "markup in run.json": (
        ("report", "leaderboard"),
        _values("run.json", command=_MARK, device=_MARK, git_commit=_MARK),
    ),
    "markup in metrics.json": (("report",), _values("metrics.json", **{_MARK: {"loss": 1.0}})),
    "markup in columns": (("report",), _predictions),
    "a fast model outside": (
        ("predict", "serve"),
        _values("model/inference.json", fast="../../x.onnx"),
    ),
    "a job of elsewhere": (
        ("resume", "report"),
        _values("run.json", job_name="../../x", job={"region": "http://127.0.0.1:9/"}),
    ),
}


def kinds(lab: Lab) -> list[Kind]:
    cases = [
        Case(f"{what}, then {name}", partial(_judge, lab, COMMANDS[name], plant))
        for what, (names, plant) in PLANTS.items()
        for name in names
    ]
    archives = [Case(f"serve, {name}", partial(_archive, lab, name)) for name in _MEMBERS]
    return [
        Kind("malicious run directory", iter(cases)),
        Kind("malicious archive", iter(archives)),
    ]


def _judge(lab: Lab, command: Command, plant: Plant, path: Path) -> Verdict:
    run = command.subject(lab, path)
    beside = path / "beside"
    beside.mkdir()
    _unseal(run)
    plant(lab, run, beside)
    before = _contents(beside)
    ended, answer = command.ask(lab, run, path, variables={"OUR_PLANTED": _SECRET})
    return _harm(ended.out + ended.err, answer, before, beside) or (
        Verdict(End.TRACEBACK, ended.crash)
        if ended.crash and not ended.told
        else Verdict(End.REFUSED if ended.refused else End.SAME)
    )


def _unseal(run: Path) -> None:
    """Takes away the hashes of its files, as a stranger would who changes some."""
    for file in (run / "run.json", run / "model" / "inference.json"):
        if file.exists():
            values = json.loads(file.read_text())
            values.pop("sha256", None)
            file.write_text(json.dumps(values))


def _harm(said: str, answer: Any, before: dict[str, bytes], beside: Path) -> Verdict | None:
    after = _contents(beside)
    if "ran" in after:
        return Verdict(End.DIFFERENT, "code was run")
    changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    if changed:
        return Verdict(End.DIFFERENT, f"written outside: {changed}")
    shown = f"{said}{answer}"
    if _SECRET in shown:
        return Verdict(End.DIFFERENT, "a variable of the environment was read")
    if "\x1b]0;" in shown or "<script>document.title" in shown:
        return Verdict(End.DIFFERENT, "a control character or markup came through")
    return None


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        p.relative_to(directory).as_posix(): p.read_bytes()
        for p in sorted(directory.rglob("*"))
        if p.is_file()
    }


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, target, 4 if kind == tarfile.REGTYPE else 0
    return made


_MEMBERS: dict[str, list[tarfile.TarInfo]] = {
    "a path upwards": [_member("../beside/ran")],
    "a long path upwards": [_member("a/b/../../../../beside/ran")],
    "an absolute path": [_member("/BESIDE/ran")],
    "a link upwards": [_member("x", tarfile.SYMTYPE, "../../beside/mine")],
    "a file through a link": [_member("x", tarfile.SYMTYPE, "../../beside"), _member("x/ran")],
    "a hard link": [_member("x", tarfile.LNKTYPE, "../../beside/mine")],
    "a device": [_member("x", tarfile.CHRTYPE)],
    "a pipe": [_member("model.safetensors", tarfile.FIFOTYPE)],
    "code": [_member("code/inference.py"), _member("sitecustomize.py")],
    "nothing": [],
    "a name of control characters": [_member("\x1b]0;obeyed\x07")],
}


def _archive(lab: Lab, name: str, path: Path) -> Verdict:
    beside = path / "beside"
    beside.mkdir()
    (beside / "mine").write_text("mine")
    archive = path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for member in _MEMBERS[name]:
            member = member.replace(name=member.name.replace("/BESIDE", str(beside)))
            tar.addfile(member, io.BytesIO(b"evil") if member.isreg() else None)
    before = _contents(beside)
    ended, _ = COMMANDS["serve"].ask(lab, archive, path)
    return _harm(ended.out + ended.err, "", before, beside) or (
        Verdict(End.REFUSED)
        if ended.refused
        else Verdict(End.TRACEBACK, ended.crash or "it was taken for a model")
    )
