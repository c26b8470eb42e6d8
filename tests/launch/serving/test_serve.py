"""`python -m launch.endpoint serve`: the answers of an endpoint, whatever is asked and however."""

import json
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imdb_cls.errors import UserError
from imdb_cls.inference.labeller import Labeller
from launch.serving import server
from launch.serving.options import ServingOptions, check_options
from tests.support.runs import reviews
from tests.support.served import (
    OF_JSON,
    SAMPLES,
    Served,
    Start,
    answer_on,
    head,
)


def test_it_says_in_one_line_what_it_serves_and_where(served: Served, run: Path) -> None:
    name = "/".join(run.parts[-2:])
    assert served.ready == (
        f"serving {name} on http://127.0.0.1:{served.port} (onnx fp32, 1 thread):"
        " / /invocations /ping /docs\n"
    )
    assert served.get("/ping") == (200, {"status": "Healthy"})


def test_its_answers_are_those_of_predict(
    served: Served, run: Path, command: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    done = command("predict", f"run={run}", "device=cpu", *SAMPLES)
    expected = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["score"] for row in expected}) == 3, done.stderr
    for row in expected:
        row.pop("text", None)
    assert served.ask({"inputs": SAMPLES}) == (200, expected)


@pytest.mark.parametrize(
    "parameters",
    [
        *({}, {"top_k": None}, {"top_k": 2}, {"top_k": 1}, {"top_k": 9}, {"truncation": True}),
        *({"function_to_apply": "softmax"}, {"function_to_apply": "sigmoid"}),
        *({"function_to_apply": "none"}, {"function_to_apply": "none", "top_k": None}),
    ],
    ids=str,
)
def test_its_answers_have_the_form_of_the_pipelines(
    served: Served, run: Path, parameters: dict[str, Any]
) -> None:
    from transformers import pipeline

    model = pipeline("text-classification", str(run / "model"), device="cpu")
    for inputs in (SAMPLES, SAMPLES[0]):
        status, found = served.ask({"inputs": inputs, "parameters": parameters})
        assert (status, shape(found)) == (200, shape(model(inputs, **parameters)))


def shape(answer: Any) -> Any:
    """An answer with its scores to four digits."""
    if isinstance(answer, list):
        return [shape(one) for one in answer]
    return answer | {"score": pytest.approx(answer["score"], abs=1e-4)}


def test_csv_is_taken_and_given(served: Served) -> None:
    """As JSON, and in every way that CSV quotes."""
    _, expected = served.ask({"inputs": ["so, so", 'two\n"lines"', "é"]})
    body = '\ufeffid,inputs\r\n1,"so, so"\r\n\r\n2,"two\n""lines"""\r\n3,é'.encode()
    headers = {"Content-Type": "text/csv"}
    assert served.ask(body, headers=headers) == (200, expected)
    status, found = served.ask(body, headers={**headers, "Accept": "text/csv"})
    rows = "".join(f"{row['label']},{row['score']!r}\r\n" for row in expected)
    assert (status, found) == (200, f"label,score\r\n{rows}")


def test_without_calibration_the_scores_are_those_of_the_trained_network(served: Served) -> None:
    from math import log

    def log_odds(parameters: dict[str, Any]) -> list[float]:
        _, found = served.ask({"inputs": SAMPLES, "parameters": parameters})
        return [log(row["score"] / (1 - row["score"])) for row in found]

    plain = [1.6 * value for value in log_odds({})]
    assert log_odds({"calibrated": False}) == pytest.approx(plain, rel=1e-6)


def test_requests_at_the_same_time_get_their_own_answers(served: Served, run: Path) -> None:
    texts = reviews(run, 60)
    _, expected = served.ask({"inputs": texts})
    assert len({row["score"] for row in expected}) > 50
    sizes = [1, 2, 3, 40, 1, 13]
    parts = [texts[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda part: served.ask({"inputs": part}), parts * 5))
    assert {status for status, _ in answers} == {200}
    found = [row for _, rows in answers for row in rows]
    assert found == expected * 5


def test_its_page_needs_no_network(served: Served) -> None:
    status, page = served.get("/docs")
    assert status == 200
    assert not re.search(r"https?://", page)
    for address in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert served.get(address)[0] == 200, address


def test_the_examples_on_its_page_are_as_it_answers(served: Served) -> None:
    _, described = served.get("/openapi.json")
    post = described["paths"]["/invocations"]["post"]
    asked = post["requestBody"]["content"]["application/json"]["examples"]
    given = post["responses"]["200"]["content"]["application/json"]["examples"]
    assert len(asked) == len(given) == 4
    for name, example in asked.items():
        status, found = served.ask(example["value"])
        assert status == 200
        assert re.sub(r"[\d.]+|POSITIVE|NEGATIVE", "", str(found)) == re.sub(
            r"[\d.]+|POSITIVE|NEGATIVE", "", str(given[name]["value"])
        )


def test_a_signal_lets_it_answer_what_was_asked(start: Start, packed: Path) -> None:
    served = start(packed)
    assert served.ready.startswith(f"serving {packed} on ")
    body = json.dumps({"inputs": SAMPLES}).encode()
    with served.connected() as connection:
        asking = head(OF_JSON, f"Content-Length: {len(body)}", "Expect: 100-continue")
        connection.sendall(asking)
        assert answer_on(connection)[0] == 100  # it waits for the body
        served.process.send_signal(signal.SIGTERM)
        served.until_closed()
        connection.sendall(body)
        status, content = answer_on(connection)
    assert (status, len(content)) == (200, 3)
    said = served.process.communicate(timeout=60)
    assert (served.process.returncode, said) == (0, ("", ""))


def test_a_second_signal_ends_it_at_once(start: Start, packed: Path, tmp_path: Path) -> None:
    served = start(packed)
    with served.connected() as connection:
        connection.sendall(head(OF_JSON, "Content-Length: 9", "Expect: 100-continue"))
        assert answer_on(connection)[0] == 100
        served.process.send_signal(signal.SIGINT)
        served.until_closed()
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(timeout=60) == 128 + signal.SIGINT


def test_a_port_that_is_taken_is_one_line(served: Served, tmp_path: Path) -> None:
    with (
        pytest.raises(
            UserError, match=rf"port={served.port} of 127.0.0.1 cannot be had: .* port=0"
        ),
        server.bound("127.0.0.1", served.port),
    ):
        pass


def test_small_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only for what is TCP by name; without it an answer takes 40 ms."""
    with server.bound("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_nothing_lies_about_while_it_serves(
    packed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []

    def serve(labeller: Labeller, *others: Any) -> None:
        found.append(list(tmp_path.iterdir()))
        found.append(labeller.probabilities(SAMPLES).shape)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(server, "serve", serve)
    before = signal.getsignal(signal.SIGTERM)
    server.command(str(packed), ServingOptions(port=0))
    signal.signal(signal.SIGTERM, before)
    assert found == [[], (3,)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ServingOptions(port=65536), "port=65536: allowed are 0 to 65535"),
        (ServingOptions(threads=0), "threads=0: allowed are 1 to 1024"),
        (ServingOptions(max_body_mb=-1), "max_body_mb=-1"),
        (ServingOptions(host=" "), "host="),
    ],
)
def test_an_option_out_of_its_bounds_is_one_line(options: ServingOptions, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        check_options(options)


def test_what_is_no_run_and_no_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_text("no archive")
    for source, said in ((tmp_path / "none", "no such"), (tmp_path / "file.tar.gz", "damaged")):
        with pytest.raises(UserError, match=said) as caught:
            server.load(str(source), tmp_path / "model", threads=1)
        assert str(source) in str(caught.value)
