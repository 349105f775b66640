{%- from "metalk8s/map.jinja" import metalk8s with context %}

include:
  - .installed
  - .running
  - .firewall

extend:
  Run {{ metalk8s.registry.service }}:
    service:
      - require:
          - pkg: Install {{ metalk8s.registry.package }}
  {%- if metalk8s.registry.firewall %}
  # The package has the definition of the service.
  Allow {{ metalk8s.registry.service }}:
    sealift:
      - require:
          - pkg: Install {{ metalk8s.registry.package }}
  {%- endif %}
