"""The packages that containers install: resolved, downloaded as wheels, stored in S3 by digest."""
