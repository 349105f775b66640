include:
  - .mounted
