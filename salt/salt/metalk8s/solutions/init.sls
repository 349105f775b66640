include:
  - .available
