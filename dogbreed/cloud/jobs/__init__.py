"""SageMaker training and tuning jobs: inputs, requests, waiting, results, costs."""
