"""What a linear model on word counts makes of the same reviews: TF-IDF and logistic regression."""

import hashlib
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imdb_cls.data.cache import has, writing
from imdb_cls.data.splits import Split, Splits
from imdb_cls.runs.predictions import Floats

# Part of the cache's key: raise it when the code below changes what it gives.
_VERSION = 1
# Inverse strengths of the L2 penalty; the best on val is taken.
_STRENGTHS = (1.0, 4.0, 16.0, 64.0)
# With fewer reviews than this to learn from, a word that stands in one of them counts too.
_FEW = 20


@dataclass(frozen=True)
class Baseline:
    """A model trained on the run's own train split, with the penalty that is best on val."""

    probability: Floats
    """[scored reviews]: of POSITIVE."""
    val_probability: Floats
    """[val reviews]: of POSITIVE."""
    strength: float
    """The inverse strength of the penalty, C in scikit-learn."""
    features: int
    seconds: float
    """To train it and to label all reviews."""


def baseline(splits: Splits, scored: Split, cache: Path) -> Baseline | str:
    """The baseline's labels of `scored`, from the cache if it was trained on these reviews before;
    or why there is none."""
    prints = [part.fingerprint for part in (splits.train, splits.val, scored)]
    key = hashlib.sha256(repr((prints, _VERSION)).encode()).hexdigest()[:16]
    file = cache / "baselines" / f"{key}.npz"
    if not has(file):
        try:
            known = train(splits.train, splits.val, scored)
        except ImportError as error:
            return f"it takes scikit-learn, which is not installed ({error})"
        except ValueError as error:  # no word is left in so few reviews
            return f"it could not be trained: {error}"
        with writing(file) as partial, partial.open("wb") as stream:
            np.savez(stream, **asdict(known))
        return known
    with np.load(file, allow_pickle=False) as arrays:
        return Baseline(**{name: a if a.ndim else a.item() for name, a in arrays.items()})


def train(train: Split, val: Split, scored: Split) -> Baseline:
    """Raises ValueError if the reviews have no words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    start = time.perf_counter()
    words = TfidfVectorizer(
        # Reviews are full of line breaks of HTML.
        preprocessor=lambda text: re.sub(r"<br\s*/?>", " ", text.lower()),
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=2 if len(train) >= _FEW else 1,
    )
    seen = words.fit_transform(train.texts())
    held_out = words.transform(val.texts())
    label, val_label = train.labels, val.labels
    # liblinear's primal solver draws nothing at random.
    models = [
        LogisticRegression(C=strength, solver="liblinear").fit(seen, label)
        for strength in _STRENGTHS
    ]
    best = max(models, key=lambda model: model.score(held_out, val_label))
    return Baseline(
        probability=best.predict_proba(words.transform(scored.texts()))[:, 1],
        val_probability=best.predict_proba(held_out)[:, 1],
        strength=float(best.C),
        features=int(seen.shape[1]),
        seconds=round(time.perf_counter() - start, 3),
    )
