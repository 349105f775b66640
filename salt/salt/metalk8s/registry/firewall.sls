# Lets clients of the registry through firewalld, where that runs.
{%- from "metalk8s/map.jinja" import metalk8s, listen with context %}

{%- if metalk8s.registry.firewall %}

Allow {{ metalk8s.registry.service }}:
  sealift.allowed:
    - name: {{ metalk8s.registry.service }}
    - address: {{ listen | tojson }}
    - port: {{ metalk8s.registry.port }}
{%- else %}

Leave the firewall as it is:
  test.nop: []
{%- endif %}
