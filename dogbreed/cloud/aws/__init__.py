"""The AWS account and S3: sign-in, names, transfers, errors, polling."""
