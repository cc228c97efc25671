"""The workflow as a SageMaker Pipeline: search, training, evaluation, registration, deployment."""
