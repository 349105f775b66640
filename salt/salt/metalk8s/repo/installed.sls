# Runs what serves the archive's packages and images on this node.
include:
  - metalk8s.registry
