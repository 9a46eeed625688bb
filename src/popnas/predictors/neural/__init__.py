"""Score predictors that are small neural networks, several fitted at once (an ensemble).

`_predictor` is what they have in common: targets scaled to a sigmoid, a fold left out by each network,
`_training` as one batched training, bulk prediction. Each file beside it is one kind of network: of the
cell's graph (`gin`, `gcn`), of the sequence of its blocks (`lstm`, `attention`, `conv1d`), of both
(`gin_lstm`). Only files with a leading underscore import torch, on first use, so that listing predictors
stays cheap.
Adding one: networks as `_networks.Networks`, a file with a `NeuralPredictor`, and its name below.
"""

from popnas.predictors.neural import attention, conv1d, gcn, gin, gin_lstm, lstm

__all__ = ["attention", "conv1d", "gcn", "gin", "gin_lstm", "lstm"]
