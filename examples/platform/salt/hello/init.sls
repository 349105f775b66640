hello:
  pkg.installed
