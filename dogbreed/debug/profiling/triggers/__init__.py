"""The triggers; each module registers its own when it is imported, in the order shown."""

# ruff: noqa: F401
# isort: off
import dogbreed.debug.profiling.triggers.cpu_bottleneck
import dogbreed.debug.profiling.triggers.data_wait
import dogbreed.debug.profiling.triggers.low_use
import dogbreed.debug.profiling.triggers.memory_growth
import dogbreed.debug.profiling.triggers.small_batches
import dogbreed.debug.profiling.triggers.long_set_up
import dogbreed.debug.profiling.triggers.step_outliers
import dogbreed.debug.profiling.triggers.io_wait
import dogbreed.debug.profiling.triggers.gpu_memory
