{%- from "metalk8s/map.jinja" import metalk8s with context %}

include:
  - .installed
  - .running

extend:
  Run {{ metalk8s.registry.service }}:
    service:
      - require:
          - pkg: Install {{ metalk8s.registry.package }}
