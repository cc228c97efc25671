"""AWS: everything that imports boto3 or the SageMaker SDK; both are loaded when first needed."""
