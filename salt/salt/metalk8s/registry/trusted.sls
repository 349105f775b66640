# Writes the authority of the nodes that serve with TLS to where their clients look for it.
{%- from "metalk8s/map.jinja" import metalk8s, authority with context %}

{%- if authority %}

Trust the nodes that serve:
  file.managed:
    - name: {{ metalk8s.root.rstrip("/") ~ authority }}
    - contents: {{ (metalk8s.registry.authority.strip() ~ "\n") | tojson }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
{%- else %}

Trust the authorities of the system:
  test.nop: []
{%- endif %}
