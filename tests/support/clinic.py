"""The parts of AWS that launch.doctor asks and moto lacks: IAM's simulator and Service Quotas."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

from tests.support.doubles import Door
from tests.support.local_aws import BUCKET, ROLE
from tests.support.policies import Need, Policy, documented

_ANSWER = (
    '<{0}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{0}Result>'
    "<IsTruncated>false</IsTruncated><EvaluationResults>{1}</EvaluationResults>"
    "</{0}Result></{0}Response>"
)
_MEMBER = "<member><EvalActionName>{}</EvalActionName><EvalDecision>{}</EvalDecision></member>"

_REFUSAL = (
    "<ErrorResponse><Error><Code>{}</Code><Message>Planted.</Message></Error></ErrorResponse>"
)


@dataclass
class Clinic(Door):
    quotas: dict[str, float] = field(default_factory=dict)
    """The values of quotas by their names."""
    slow_by: timedelta = timedelta()
    """How far AWS's clock is behind."""
    policies: tuple[Policy, Policy] = field(
        default_factory=lambda: documented("sagemaker.md", BUCKET, ROLE)
    )
    """The role's and the user's, as docs/ has them."""

    def open(self) -> None:
        super().open()
        assert self._server
        handler = self._server.RequestHandlerClass
        now = {"date_time_string": lambda *_: self._now()}
        self._server.RequestHandlerClass = type("Dated", (handler,), now)  # type: ignore[assignment]

    def _now(self) -> str:
        return format_datetime(datetime.now(UTC) - self.slow_by, usegmt=True)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = {name: found[0] for name, found in parse_qs(body.decode("latin-1")).items()}
        target = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]

        operation = asked.get("Action", "")
        if operation == "SimulatePrincipalPolicy" and not self._refuses(operation):
            start_response("200 OK", [("Content-Type", "text/xml")])
            return [self._simulated(asked).encode()]
        if target.endswith("ServiceQuotas") and not self._refuses(target):
            start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
            found = [
                {"QuotaName": name, "QuotaCode": f"L-{number}", "Value": value}
                for number, (name, value) in enumerate(self.quotas.items())
            ]
            return [json.dumps({"Quotas": found}).encode()]
        if code := self._refuses(operation):
            start_response("403 Forbidden", [("Content-Type", "text/xml")])
            return [_REFUSAL.format(code).encode()]
        return super().__call__(environ, start_response)

    def _refuses(self, operation: str) -> str | None:
        """The code of a refusal that is planted for an operation."""
        return next((code for name, code, _ in self.refusals if name == operation), None)

    def _simulated(self, asked: dict[str, str]) -> str:
        role, user = self.policies
        policy = role if asked["PolicySourceArn"] == ROLE else user
        actions = [asked[key] for key in sorted(asked) if key.startswith("ActionNames.member")]
        found = ""
        for action in actions:
            allowed = policy.allow([Need(action, asked["ResourceArns.member.1"])])
            found += _MEMBER.format(action, "allowed" if allowed else "implicitDeny")
        return _ANSWER.format("SimulatePrincipalPolicy", found)
