"""The request is the one that was shown, and it runs what was asked for."""

import functools
import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.config import Config, parse
from imdb_cls.runs.fingerprint import fingerprint
from imdb_cls.runs.info import plain_values
from imdb_cls.training.resolve import resolve
from launch.aws import limits
from tests.support.configs import composed
from tests.support.local_aws import BUCKET, REGION, ROLE, local_aws, shell_words
from tests.support.once import once
from tests.support.processes import Command

WANDB_KEY = "0123456789abcdef0123456789abcdef01234567"
AWS_KEY = "AKIAPLANTEDPLANTED00"
# Quotes, spaces, what a shell would take for its own, a list, a dict.
AWKWARD = (
    *("logger=wandb", "logger.wandb.key_env=OUR_WANDB_KEY"),
    r"""logger.wandb.name='it\'s "quoted" $HOME `id` \\ ; && é'""",
    "logger.wandb.tags=[a,'b c','$(id)',\"d'e\"]",
    "reference={name: 'other one', loss: 0.5, f1: null}",
    "data.text='a, b: {c} [d]'",
    "+backend.tags={team: 'n l p', cost-center: 7}",
)
# Where a run in a container differs from the same run here.
OF_THE_CONTAINER = {
    "container": "/opt/ml",
    "cache_dir": "/opt/ml/cache",
    "data.splits": "/opt/ml/input/data/reviews",
    "model.pretrained.path": "/opt/ml/input/data/weights",
    "model.pretrained.fallback": False,
    "logger.wandb.dir": "/opt/ml/checkpoints",
    "logger.wandb.key_secret": "imdb_cls/wandb",
}


def flat(config: Config) -> dict[str, Any]:
    """A config's values by their keys with dots, but for the backend."""

    def leaves(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for name, value in values.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    return {k: v for k, v in leaves(asdict(config), "") if not k.startswith("backend")}


@dataclass
class Submitted:
    """One config, once with dry_run, once sent to a local AWS."""

    shown: dict[str, Any]
    sent: dict[str, Any]
    dry: Path
    run: Path
    objects: dict[str, bytes]
    """What lies in the bucket, by key."""
    secret: str
    words: list[str]
    said: str

    def channel(self, name: str) -> dict[str, bytes]:
        """A channel's files."""
        (uri,) = [
            channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in self.sent["InputDataConfig"]
            if channel["ChannelName"] == name
        ]
        prefix = uri.removeprefix(f"s3://{BUCKET}/")
        return {k[len(prefix) :]: v for k, v in self.objects.items() if k.startswith(prefix)}


@pytest.fixture(scope="session")
def submitted(shared: Path, tiny: list[str], command: Command) -> Submitted:
    def make(path: Path) -> None:
        found = submit(path / "home", tiny, command)
        (path / "found").write_bytes(pickle.dumps(found))

    found: Submitted = pickle.loads((once(shared, "submitted", make) / "found").read_bytes())
    return found


def submit(home: Path, tiny: list[str], command: Command) -> Submitted:
    home.mkdir()
    (home / ".env").write_text(f"WANDB_API_KEY={WANDB_KEY}")
    (home / ".netrc").write_text(f"machine api.wandb.ai login user password {WANDB_KEY}")
    environment = {
        **{"OUR_WANDB_KEY": WANDB_KEY, "NETRC": str(home / ".netrc")},
        **{"AWS_ACCESS_KEY_ID": AWS_KEY, "AWS_SECRET_ACCESS_KEY": f"{AWS_KEY}/secret"},
    }
    words = [o for o in tiny if o != "logger=none" and not o.startswith("reference")]
    words += [*AWKWARD, "+backend=sagemaker", "backend.job_name=job-1", "backend.wait=false"]
    account = [f"backend.role={ROLE}", f"backend.bucket={BUCKET}", f"backend.region={REGION}"]
    # The name of a run is the end of its path: the same for both.
    dry, run = home / "dry" / "a" / "b", home / "real" / "a" / "b"
    with local_aws() as aws:
        with ThreadPoolExecutor() as pool:
            dry_run = pool.submit(
                functools.partial(command, cwd=home, **environment),
                *("train", *words, *account, f"hydra.run.dir={dry}", "backend.dry_run=true"),
                AWS_ENDPOINT_URL="http://127.0.0.1:1",
            )
            done = command(
                *("train", *words, *account, f"hydra.run.dir={run}"), cwd=home, **environment
            )
            asked = dry_run.result()
        assert asked.returncode == 0, asked.stderr
        assert done.returncode == 0, done.stderr
        s3 = aws.client("s3", REGION)
        listed = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
        objects = {
            item["Key"]: s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            for item in listed
        }
        secrets = aws.client("secretsmanager", REGION)
        return Submitted(
            shown=json.loads((dry / "request.json").read_text()),
            sent=aws.training.jobs.get("job-1", REGION).request,
            dry=dry,
            run=run,
            objects=objects,
            secret=secrets.get_secret_value(SecretId="imdb_cls/wandb")["SecretString"],
            words=words,
            said=asked.stdout + asked.stderr + done.stdout + done.stderr,
        )


def test_the_request_that_is_shown_is_the_one_that_is_sent(submitted: Submitted) -> None:
    assert submitted.shown == submitted.sent


def test_a_dry_run_leaves_the_request_and_nothing_else(submitted: Submitted) -> None:
    assert [path.name for path in submitted.dry.iterdir()] == ["request.json"]


def test_botocores_model_finds_nothing_wrong_with_it(submitted: Submitted) -> None:
    limits.check_request(submitted.sent)


def test_the_command_survives_the_shell_and_hydra(submitted: Submitted) -> None:
    words = shell_words(submitted.channel("sm_drivers")["sm_train.sh"].decode())
    assert words[:3] == ["python", "-m", "imdb_cls.train"]
    described = json.loads(submitted.channel("sm_drivers")["sourcecode.json"])
    assert described["args"] == words[3:]
    assert "hydra.run.dir=/opt/ml/checkpoints/run" in words
    assert not [word for word in words if "backend" in word.split("=")[0]]
    here, there = (flat(parse(composed(*some))) for some in (submitted.words, words[3:]))
    assert there["logger.wandb.name"] == """it's "quoted" $HOME `id` \\\\ ; && é"""
    assert there["logger.wandb.tags"] == ["a", "b c", "$(id)", "d'e"]
    assert {key: value for key, value in there.items() if here[key] != value} == OF_THE_CONTAINER


def test_the_job_is_given_code_reviews_and_weights(submitted: Submitted, tiny_model: Path) -> None:
    names = {channel["ChannelName"] for channel in submitted.sent["InputDataConfig"]}
    assert names == {"code", "sm_drivers", "reviews", "weights"}
    assert "imdb_cls/train.py" in submitted.channel("code")
    assert set(submitted.channel("reviews")) == {
        *("train.arrow", "val.arrow", "test.arrow", "splits.json"),
    }
    weights = submitted.channel("weights")
    assert set(weights) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert weights["model.safetensors"] == (tiny_model / "model.safetensors").read_bytes()


def test_the_tags_are_the_users_and_the_runs_fingerprint(submitted: Submitted) -> None:
    tags = {tag["Key"]: tag["Value"] for tag in submitted.sent["Tags"]}
    record = json.loads((submitted.run / "run.json").read_text())
    assert tags == {"imdb_cls": record["fingerprint"], "team": "n l p", "cost-center": "7"}


def test_the_fingerprint_is_that_of_the_same_run_on_this_machine(submitted: Submitted) -> None:
    here = [o for o in submitted.words if "backend" not in o.split("=")[0]]
    config = parse(composed(*here))
    resolved = resolve(config, lambda stand_ins: config)
    record = json.loads((submitted.run / "run.json").read_text())
    assert record["fingerprint"] == fingerprint(resolved.config, resolved.record)
    assert record["resolved"] == plain_values(resolved.record)


def test_the_run_directory_knows_its_job(submitted: Submitted) -> None:
    record = json.loads((submitted.run / "run.json").read_text())
    assert (record["status"], record["backend"], record["job_name"]) == (
        *("running", "sagemaker", "job-1"),
    )
    assert record["job"]["output"] == f"s3://{BUCKET}/imdb_cls/jobs/job-1"
    assert record["job"]["ceiling_usd"] == 38.25
    assert f"launch.jobs attach {submitted.run}" in submitted.said


def test_no_secret_is_anywhere_but_in_secrets_manager(submitted: Submitted) -> None:
    assert submitted.secret == WANDB_KEY
    written = [path for path in submitted.run.parents[2].rglob("*") if path.is_file()]
    planted = {submitted.run.parents[2] / name for name in (".env", ".netrc")}
    assert planted < set(written)
    said = {str(path): path.read_bytes() for path in set(written) - planted}
    said |= {"the request": json.dumps(submitted.sent).encode(), "said": submitted.said.encode()}
    for where, content in {**submitted.objects, **said}.items():
        for secret in (WANDB_KEY, AWS_KEY):
            assert secret.encode() not in content, where
