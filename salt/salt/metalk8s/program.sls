# The program by which states do what they do. A node that has it, from the package or by hand, keeps it; any other fetches it
# from a node that serves, where it lies in the archive beside its checksum.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints with context %}

{%- if salt["file.file_exists"](metalk8s.sealift) %}
Use {{ metalk8s.sealift }}:
  test.nop: []
{%- else %}
  {%- set found = salt["metalk8s.served_program"](endpoints, saltenv, metalk8s.registry.authority) %}

Fetch {{ metalk8s.sealift }}:
  {%- if found %}
  file.managed:
    - name: {{ metalk8s.sealift }}
    - source: {{ found.source }}
    - source_hash: {{ found.source_hash }}
    {#- The checksum comes from a node whose certificate was checked; Salt knows only the authorities of the system. #}
    - verify_ssl: {{ not metalk8s.registry.authority }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
  {%- else %}
  test.fail_without_changes:
    - name: >-
        {{ metalk8s.sealift }} is not there and no node serves it in {{ saltenv }}: copy it from bin/ of the archive
  {%- endif %}
{%- endif %}
