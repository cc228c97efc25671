"""Metrics: a registry that one can add to, each metric in a file of its own.

To add one, write its file and register it below; from outside this package, call
`registry.register`. Importing this package loads no torch.
"""

from dogbreed.evaluation.metrics.accuracy import TOP1, TOP5
from dogbreed.evaluation.metrics.balanced_accuracy import BALANCED_ACCURACY
from dogbreed.evaluation.metrics.calibration_error import ECE, ECE_CALIBRATED
from dogbreed.evaluation.metrics.cross_entropy import LOSS, LOSS_CALIBRATED
from dogbreed.evaluation.metrics.macro_f1 import MACRO_F1
from dogbreed.evaluation.metrics.negative_log_likelihood import NEGATIVE_LOG_LIKELIHOOD
from dogbreed.evaluation.metrics.registry import register

# In the order of tables and of metrics.json.
register(LOSS)
register(TOP1)
register(TOP5)
register(MACRO_F1)
register(ECE)
register(LOSS_CALIBRATED)
register(ECE_CALIBRATED)
register(BALANCED_ACCURACY)
register(NEGATIVE_LOG_LIKELIHOOD)
