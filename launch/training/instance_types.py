"""Several instance types in order of preference. SageMaker takes the first that can be had; for a
spot job, and where its service takes no list, they are tried here, one after another."""

from dataclasses import replace

from imdb_cls.config import BackendConfig
from imdb_cls.runs.run import Run
from launch.aws.instances import PREFERENCES
from launch.aws.limits import Request

# The least that SageMaker takes. It gives up a spot job without a machine after days otherwise.
_PENDING_S = 1800


def prefer(request: Request, backend: BackendConfig) -> None:
    """Completes a request for the first type: with the list where SageMaker takes one, which it
    does for no spot job, else with a time after which the next type is tried."""
    if len(backend.instance_types) == 1:
        return
    if backend.spot:
        request["StoppingCondition"].setdefault("MaxPendingTimeInSeconds", _PENDING_S)
        return
    del request["ResourceConfig"]["InstanceType"]
    request["ResourceConfig"][PREFERENCES] = [
        {"InstanceType": name} for name in backend.instance_types
    ]


def attempts(request: Request, backend: BackendConfig) -> list[Request]:
    """What is to be sent, until AWS refuses none of the types: the request, and the same for one
    type after another."""
    resources = {k: v for k, v in request["ResourceConfig"].items() if k != PREFERENCES}
    stopping = {"MaxPendingTimeInSeconds": _PENDING_S, **request["StoppingCondition"]}
    one_each = [
        {
            **request,
            "ResourceConfig": {**resources, "InstanceType": name},
            "StoppingCondition": dict(stopping),
        }
        for name in backend.instance_types
    ]
    if backend.max_pending_seconds is None:  # nothing is tried behind the last one
        del one_each[-1]["StoppingCondition"]["MaxPendingTimeInSeconds"]
    return [request, *(one_each if PREFERENCES in request["ResourceConfig"] else one_each[1:])]


def after(run: Run, backend: BackendConfig) -> BackendConfig | None:
    """The backend of a next job, where no machine of the last one's type could be had: with the
    types that are left and the same image. None: no type is left."""
    job = run.info().required_job()
    if not job.next_types:
        return None
    return replace(backend, instance_type=job.next_types, image=job.image, job_name=None)
