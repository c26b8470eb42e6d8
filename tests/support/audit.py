"""python -m tests.support.audit: known vulnerabilities of the pinned packages, by pip-audit.

Ends with 1 if one of them has a newer version without it: the pin can be raised. One that nobody
has mended yet is shown; it must not stop whoever contributes something else. Where the service does
not answer, or does not know what everybody knows, a line says that the audit was left out.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
# It is not used here, and is known to be vulnerable, but not to a mirror that has no such data.
CONTROL = "django==2.2"
_SECONDS = 300


def main(words: list[str]) -> int:
    """The exit code. `words` are further arguments of pip-audit, such as --ignore-vuln ID."""
    found, why = audited(words)
    control = [one for one in found if one["name"] == CONTROL.partition("==")[0]]
    if not why and not any(one.get("vulns") for one in control):
        why = f"the service knows of no vulnerability of {CONTROL}"
    if why:
        print(f"pip-audit was left out: {why}")
        return 0
    mendable = 0
    for package in found:
        for vulnerability in package.get("vulns", []) if package not in control else []:
            mended = ", ".join(vulnerability["fix_versions"])
            mendable += bool(mended)
            what = f"{package['name']} {package['version']}: {vulnerability['id']}"
            print(f"{what}: {f'mended in {mended}' if mended else 'not mended yet'}")
    print(f"pip-audit: {len(found) - len(control)} packages, {mendable} to be raised")
    return int(mendable > 0)


def audited(words: list[str]) -> tuple[list[dict[str, Any]], str]:
    """What pip-audit says of every package; or why it could not."""
    with tempfile.TemporaryDirectory() as directory:
        pinned = Path(directory) / "pinned.txt"
        pinned.write_text(f"{CONSTRAINTS.read_text()}\n{CONTROL}\n")
        # Without pip, which would resolve them all again.
        how = ["--disable-pip", "--no-deps", "--format=json", "--progress-spinner=off"]
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "-r",
            str(pinned),
            *how,
            "--timeout=10",
            *words,
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return [], f"the service took over {_SECONDS} seconds"
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        return [], lines[-1][:200]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
