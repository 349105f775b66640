# Runs the registry, which is installed already, and restarts it when it is to serve other archives than before.
{%- from "metalk8s/map.jinja" import metalk8s with context %}

include:
  - .configured

Run {{ metalk8s.registry.service }}:
  service.running:
    - name: {{ metalk8s.registry.service }}
    - enable: true
    - watch:
        - file: Configure {{ metalk8s.registry.service }}
