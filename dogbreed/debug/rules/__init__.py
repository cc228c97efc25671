"""The rules; each module registers its rule when it is imported, in the order shown."""

# ruff: noqa: F401
# isort: off
import dogbreed.debug.rules.loss_not_finite
import dogbreed.debug.rules.loss_not_decreasing
import dogbreed.debug.rules.overfit
import dogbreed.debug.rules.validation_at_chance
import dogbreed.debug.rules.overtraining
import dogbreed.debug.rules.vanishing_gradient
import dogbreed.debug.rules.exploding_gradient
import dogbreed.debug.rules.dead_units
import dogbreed.debug.rules.unchanged_weights
import dogbreed.debug.rules.update_ratio
import dogbreed.debug.rules.poor_start
import dogbreed.debug.rules.class_imbalance
import dogbreed.debug.rules.inputs_not_normalised
import dogbreed.debug.rules.stalled
