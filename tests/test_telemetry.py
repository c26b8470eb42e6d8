"""No library calls home: neither a packet nor a note for later, whatever a user does. And in a
process that loads them all itself, none has anything to say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import imdb_cls
from launch.rehearsal.container import namespaces

# In a network of its own, which leads nowhere, each attempt to leave it is counted: of Python, and
# of what has its own code for that. The last one is ours.
WATCHED = """
ip link set lo up && mount --bind "$1" /etc/resolv.conf || exit 77
shift
count() { cat /proc/net/snmp /proc/net/snmp6 | python3 -c '
import sys
rows = [line.split() for line in sys.stdin]
ip4 = [row for row in rows if row[0] == "Ip:"]
ip6 = [row for row in rows if row[0] == "Ip6OutNoRoutes"]
print(int(ip4[1][ip4[0].index("OutNoRoutes")]) + int(ip6[0][1] if ip6 else 0))'; }
before=$(count)
"$@" || exit 1
after=$(count)
python3 -c 'import socket; socket.getaddrinfo("huggingface.co", 443)' 2>/dev/null
echo "{\\"attempts\\": $((after - before)), \\"seen\\": $(($(count) - after))}"
"""
COMMANDS = """
import sys
from tests.support.called import call

run, *tiny = sys.argv[1:]
for module, *words in (
    ("imdb_cls.train", *tiny, "logger=wandb", "logger.wandb.mode=offline", "export=true",
     "report=true", f"hydra.run.dir={run}"),
    ("imdb_cls.predict", f"run={run}", "i liked the movie"),
    ("imdb_cls.train", *tiny, "+backend=sagemaker", "backend.dry_run=true",
     f"hydra.run.dir={run}-job"),
    ("launch.endpoint", "deploy", run, "dry_run=true"),
):
    said = call(module, *words)
    assert (said.code, said.err) == (0, ""), said
assert {"wandb", "onnxruntime", "sagemaker", "datasets", "captum"} <= set(sys.modules)
"""


def test_no_library_calls_home(tmp_path: Path, tiny: list[str]) -> None:
    if subprocess.run([*namespaces(True), "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no namespaces to its users")
    home, here, names = tmp_path / "home", tmp_path / "here", tmp_path / "resolv.conf"
    home.mkdir()
    here.mkdir()
    names.write_text("nameserver 192.0.2.1\noptions timeout:1 attempts:1\n")
    told = {name: value for name, value in os.environ.items() if name not in imdb_cls.NO_TELEMETRY}
    done = subprocess.run(
        [
            *(*namespaces(True), "bash", "-c", WATCHED, "bash", str(names)),
            *(sys.executable, "-c", COMMANDS, str(tmp_path / "run"), *tiny),
        ],
        env=told
        | {
            **{"HOME": str(home), "AWS_DEFAULT_REGION": "us-east-1"},
            "PYTHONPATH": str(Path(imdb_cls.__file__).parents[1]),
        },
        cwd=here,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout.splitlines()[-1])
    assert counted["seen"] > 0
    assert counted["attempts"] == 0
    # ONNX Runtime would send later what it keeps there.
    kept = {path.relative_to(home).parts[:2] for path in home.rglob("*") if path.is_file()}
    assert kept <= {(".cache", "matplotlib"), (".cache", "wandb")}
