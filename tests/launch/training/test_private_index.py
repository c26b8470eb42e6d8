"""A job's packages from an index of one's own: its password reaches pip, and nothing else."""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launch.rehearsal.aws import LocalAWS
from launch.training import code, private_index
from tests.support.configs import refused
from tests.support.doubles import Submit
from tests.support.local_aws import REGION, parsed

USER, PASSWORD = "us", "s3cr:t/+@"
REPOSITORY = "arn:aws:codeartifact:eu-central-1:123456789012:repository/films/pypi"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of an index that has one package for those who say who they are."""
    name = "film_reel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        wheel.writestr("film_reel.py", "FRAMES = 24\n")
        info = "film_reel-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: film-reel\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers["Authorization"] == expected
            self.send_response(200 if allowed else 401)
            self.send_header("WWW-Authenticate", "Basic")
            wanted = self.path.endswith(".whl")
            self.send_header("Content-Type", "application/zip" if wanted else "text/html")
            self.end_headers()
            if allowed:
                page = f'<a href="/{name}">{name}</a>'.encode()
                self.wfile.write((tmp_path / name).read_bytes() if wanted else page)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


def install(place: Path, url: str, secret: str) -> "subprocess.CompletedProcess[str]":
    """Does what the job does before its packages are there, into `place`/packages."""
    (place / "requirements.txt").write_text("film-reel==1.0\n")
    shutil.copy(code.INSTALLER, place)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    chosen = {"PIP_TARGET": str(place / "packages"), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, code.INSTALLER.name, url, secret],
        cwd=place,
        env=kept | chosen,
        capture_output=True,
        text=True,
        check=False,
    )


SECRETS = (json.dumps({"username": USER, "password": PASSWORD}), f"{USER}:{PASSWORD}")


@pytest.mark.parametrize("secret", SECRETS, ids=["json", "colon"])
def test_the_secret_opens_it_and_is_not_shown(
    aws: LocalAWS, index: str, tmp_path: Path, secret: str
) -> None:
    aws.client("secretsmanager", REGION).create_secret(Name="ours/pip", SecretString=secret)
    done = install(tmp_path, index, "ours/pip")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "packages" / "film_reel.py").read_text() == "FRAMES = 24\n"
    said = done.stdout + done.stderr
    assert PASSWORD not in said
    assert "s3cr" not in said


def test_another_password_installs_nothing(aws: LocalAWS, index: str, tmp_path: Path) -> None:
    aws.client("secretsmanager", REGION).create_secret(Name="ours/pip", SecretString="us:other")
    done = install(tmp_path, index, "ours/pip")
    assert done.returncode != 0
    assert not (tmp_path / "packages").exists()
    assert "other" not in done.stdout + done.stderr


def test_what_a_secret_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert private_index.credentials(SECRETS[0]) == (USER, PASSWORD)
    assert private_index.credentials(SECRETS[1]) == (USER, PASSWORD)
    assert private_index.credentials("pypi-token\n") == ("__token__", "pypi-token")
    with pytest.raises(SystemExit, match="its JSON has no password"):
        private_index.credentials('{"username": "us", "secret": "x"}')


def requested(submit: Submit, tmp_path: Path, *overrides: str) -> tuple[str, str]:
    """What a dry run shows, and its request."""
    said = submit("backend.dry_run=true", *overrides)
    assert said.code == 0, said.err
    return " ".join(said.out.split()), (tmp_path / "run" / "request.json").read_text()


def test_the_request_names_the_secret_alone(aws: LocalAWS, submit: Submit, tmp_path: Path) -> None:
    url = "https://pip.example.org/simple"
    given = (f"backend.index_url={url}", "backend.index_secret=ours/pip")
    shown, request = requested(submit, tmp_path, *given)
    assert f"packages from {url}, with the secret ours/pip" in shown
    assert f"python private_index.py {url} ours/pip && exec python -m imdb_cls.train" in shown
    assert "CA_REPOSITORY_ARN" not in request


def test_a_code_artifact_repository_is_the_sdks_to_open(
    aws: LocalAWS, submit: Submit, tmp_path: Path
) -> None:
    shown, request = requested(submit, tmp_path, f"backend.index_url={REPOSITORY}")
    assert json.loads(request)["Environment"]["CA_REPOSITORY_ARN"] == REPOSITORY
    assert "private_index.py" not in shown


def test_an_open_index_is_a_line_of_the_requirements(tmp_path: Path) -> None:
    backend = parsed("backend.index_url=https://pip.example.org/simple").backend
    assert backend is not None
    staged = code.stage(code.code(), tmp_path / "code", backend)
    first, *rest = (staged / "requirements.txt").read_text().splitlines()
    assert first == "--index-url=https://pip.example.org/simple"
    assert rest == code.REQUIREMENTS.read_text().splitlines()
    assert not (staged / code.INSTALLER.name).exists()


REFUSED = {
    "index_url=https://us:pass@pip.example.org/simple": "without a name or a password",
    "index_url=pip.example.org": "allowed are the https:// address",
    "index_url='https://pip.example.org/a b'": "allowed are the https:// address",
    "index_secret=ours/pip": "means nothing without backend.index_url",
    f"index_url={REPOSITORY} backend.index_secret=ours/pip": "asks the job's role",
    "index_url=http://pip.org/simple backend.index_secret=ours/pip": "by https:// only",
    "index_url=https://pip.org/simple backend.network_isolation=true": "leave it out",
    "index_url=https://pip.org/simple backend.index_secret='a b'": "allowed is a secret's name",
}


@pytest.mark.parametrize(("overrides", "why"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_is_refused(overrides: str, why: str) -> None:
    given = f"+backend=sagemaker backend.{overrides}".replace(" backend.", "\nbackend.")
    line = refused(*given.split("\n"))
    assert why in line
    assert "us:pass" not in line
