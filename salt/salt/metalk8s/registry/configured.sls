# Says what the registry serves: the archives of the bootstrap configuration, straight from their ISO files.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set config = salt["config.get"]("metalk8s_bootstrap_config", "/etc/metalk8s/bootstrap.yaml") %}
{%- if metalk8s.registry.follow and salt["file.file_exists"](config) %}
  {%- set archives = ["--configured", "--bootstrap-config", config] %}
{%- else %}
  {%- set archives = salt["metalk8s.get_archives"]() | dictsort | map(attribute="1.iso") | list %}
{%- endif %}

Configure {{ metalk8s.registry.service }}:
  file.managed:
    - name: {{ metalk8s.registry.environment_file }}
    - source: salt://metalk8s/registry/files/sealift.sysconfig.j2
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - context:
        listen: {{ metalk8s.registry.listen }}:{{ metalk8s.registry.port }}
        options: {{ metalk8s.registry.options | tojson }}
        archives: {{ archives | tojson }}
