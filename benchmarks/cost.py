"""What the default job costs on each GPU instance: an estimate, and where its parts are from.

    python -m benchmarks.cost [output=FILE]

The job: 5,000 reviews, 3 epochs, up to 512 tokens, distilbert-base-cased. No SageMaker instance was
measured but the original's: its 672 billable seconds held some 400 of training, so 272 are taken
for all else (image, download, tests). Training is the operations of the job at a share of the
card's published peak that is set here, and has to be measured: SHARE.
"""

import sys
from dataclasses import asdict, dataclass

import yaml

from benchmarks.bench import Report
from imdb_cls import cli
from imdb_cls.config import CONF_DIR
from launch.aws.instances import find

# Matrix products of 5,000 reviews x 3 epochs at their own lengths, without padding, forward and
# backward, of 42.5 million weights, with attention.
OPERATIONS = 1.2e15
# The share of the peak that training reaches: a guess. Published shares of fine-tunings of this
# size could not be found.
SHARE = 0.2
OTHER_SECONDS = 272.0
# Dense fp16 or bf16 with fp32 sums, in TFLOP/s, from NVIDIA's data sheets of each card.
PEAKS = {
    **{"V100": 125, "V100 32GB": 125, "T4": 65, "A10G": 70, "L4": 121, "L40S": 362},
    **{"A100": 312, "A100 80GB": 312, "H100": 989},
}


@dataclass
class Arguments:
    output: str | None = None


def main() -> None:
    with cli.one_line_errors():
        given = cli.arguments(Arguments, sys.argv[1:], __doc__ or "")
        settings = asdict(given) | {"share of the peak": SHARE, "other seconds": OTHER_SECONDS}
        report = Report("cost", settings, given.output)
        # Several GPUs of one instance shorten a job of seconds by nothing that pays for them.
        names = yaml.safe_load((CONF_DIR / "instances.yaml").read_text())["instances"]
        alone = [i for i in map(find, names) if i.gpu and i.count == 1 and i.price is not None]
        for instance in sorted(alone, key=lambda i: (i.price or 0) * seconds(i.gpu)):
            took = seconds(instance.gpu)
            report.add(
                {
                    "": instance.name + (" (retiring)" if instance.retiring else ""),
                    "GPU": instance.gpu,
                    "USD an hour": instance.price,
                    "training s": took - OTHER_SECONDS,
                    "billable s": took,
                    "USD a job": (instance.price or 0) * took / 3600,
                }
            )
        report.close()


def seconds(gpu: str | None) -> float:
    return OTHER_SECONDS + OPERATIONS / (PEAKS[gpu or ""] * 1e12 * SHARE)


if __name__ == "__main__":
    main()
