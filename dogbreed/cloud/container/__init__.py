"""The code that runs in a job's container; it imports neither boto3 nor the SageMaker SDK."""
