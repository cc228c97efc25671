"""The same as `probabilities`, in torch: training needs gradients, evaluation float32 tensors."""

import torch
from torch import Tensor


def mean_log_probabilities(logits: Tensor) -> Tensor:
    """Logits [n, views, classes] to logarithms [n, classes] of the views' mean probabilities."""
    return logits.log_softmax(-1).logsumexp(1) - torch.tensor(logits.shape[1]).log()
