include:
  - .containerd
