"""SageMaker's endpoints: deployment, queries, scaling, teardown."""
