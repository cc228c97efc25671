"""The commands that can work in an AWS account; launch/ has a thin entry point for each."""
