"""SageMaker's training jobs and searches, from staging to results."""
