#!/bin/sh
# Builds a stand-in for a SageMaker training container: `image.sh NAME`, as root, by debootstrap.
# A Debian with this machine's release and its Python; what is installed in Python comes to it as
# a channel, so that it needs no registry and no second copy of several gigabytes.
set -eu
name=$1
. /etc/os-release
: "${VERSION_CODENAME:?this system has no name of a Debian release}"
# The mirror that this machine's own apt uses.
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
  awk -v release="$VERSION_CODENAME" '$2 == release && $3 == "main" { print $1; exit }')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,libstdc++6 "$VERSION_CODENAME" "$folder" \
  ${mirror:+"$mirror"} >&2
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/usr/share/doc
# The entry point of SageMaker's containers, as their toolkit installs it.
cat >"$folder/usr/local/bin/train" <<'TRAIN'
#!/usr/bin/python3
from sagemaker_training.cli.train import main

main()
TRAIN
chmod +x "$folder/usr/local/bin/train"
rm -f "$folder"/usr/lib/python3*/EXTERNALLY-MANAGED  # a container's Python is nobody else's
tar -C "$folder" -c . | podman import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV PYTHONPATH=/opt/ml/input/data/packages' \
  --change 'ENV PYTHONDONTWRITEBYTECODE=1' \
  --change 'ENV PYTHONUNBUFFERED=1' \
  --change 'ENV LANG=C.UTF-8' \
  --change 'ENV PIP_NO_INDEX=1' \
  --change 'ENV SAGEMAKER_TRAINING_MODULE=sagemaker_pytorch_container.training:main' \
  - "$name" >&2
