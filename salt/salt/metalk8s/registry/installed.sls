# Installs the registry's service from the archive's own repository.
{%- from "metalk8s/map.jinja" import metalk8s with context %}

include:
  - metalk8s.repo.configured

Install {{ metalk8s.registry.package }}:
  pkg.installed:
    - name: {{ metalk8s.registry.package }}
    - require:
        - sls: metalk8s.repo.configured
