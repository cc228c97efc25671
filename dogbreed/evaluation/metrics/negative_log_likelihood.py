"""Negative log-likelihood: minus the mean logarithm of the probability given to the right class.

It is the proper scoring rule by which probabilities of models of any kind are compared (Gneiting &
Raftery 2007). For a classifier it is the plain cross entropy, so it is computed as `loss` is.
"""

from dataclasses import replace

from dogbreed.evaluation.metrics.cross_entropy import LOSS

NEGATIVE_LOG_LIKELIHOOD = replace(LOSS, name="nll_nats", title="Negative log-likelihood (nats)")
