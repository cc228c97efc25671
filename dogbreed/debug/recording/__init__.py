"""What is measured of a training, and the files it is recorded in."""
