"""Why a job ended, and what its own program said last."""

import re
from collections.abc import Iterable

from launch.aws.instances import asked, instead
from launch.training.follow import Description

# Linux kills with SIGKILL, which is 9, what needs more memory than there is. A shell says 128 + 9.
_KILLED = re.compile(r"exit ?code\s*:? *(137|-9)\b", re.IGNORECASE)
_MEMORY = (
    "it was killed, as Linux does when the memory is full: a smaller data.batch_size, or a larger"
    " backend.instance_type"
)
_HOST = re.compile(r"^\[[\w-]+\] ")
# The script of the SDK shows its commands as bash does, with a plus. It begins with the whole
# environment, and ends by calling the program.
_OF_THE_SCRIPT = re.compile(r"\++ |Executing command: ")


def reason_of(description: Description) -> str:
    """Why a job did not complete, as SageMaker says it, and what that means."""
    reason = str(description.get("FailureReason") or description["SecondaryStatus"])
    if _KILLED.search(reason):
        return f"{reason}: {_MEMORY}"
    if lacked_machine(description):
        types = asked(description["ResourceConfig"])
        spot = bool(description.get("EnableManagedSpotTraining"))
        return f"{reason.rstrip('.')}: {instead(types, spot)}"
    return reason


def lacked_machine(description: Description) -> bool:
    """Whether a job is over because no machine of its type could be had."""
    phase, began = description["SecondaryStatus"], "TrainingStartTime" in description
    waited = phase == "MaxPendingTimeExceeded" or (phase == "MaxWaitTimeExceeded" and not began)
    return waited or str(description.get("FailureReason")).startswith("CapacityError")


def own_lines(lines: Iterable[str]) -> list[str]:
    """What the program of each host of a job has printed, without what came before it began."""
    own: dict[str, list[str]] = {}
    for line in lines:
        found = _HOST.match(line)
        host = found[0] if found else ""
        if _OF_THE_SCRIPT.match(line.removeprefix(host)):
            own[host] = []
        else:
            own.setdefault(host, []).append(line)
    return [line for host in own.values() for line in host]
