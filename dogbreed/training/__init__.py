"""The training job: preparation, fit, evaluation, and the run's folder."""
