# Says what the registry serves: the archives of the bootstrap configuration, straight from their ISO files.
{%- from "metalk8s/map.jinja" import metalk8s, listen, serves_tls, has_certificate, authority with context %}
{%- set config = salt["config.get"]("metalk8s_bootstrap_config", "/etc/metalk8s/bootstrap.yaml") %}
{%- if metalk8s.registry.follow and salt["file.file_exists"](config) %}
  {%- set archives = ["--configured", "--bootstrap-config", config] %}
{%- else %}
  {%- set archives = salt["metalk8s.get_archives"]() | dictsort | map(attribute="1.iso") | list %}
{%- endif %}
{%- set host = "[" ~ listen ~ "]" if ":" in listen else listen %}
{%- set options = metalk8s.registry.options.split() %}
{%- if serves_tls and not has_certificate %}
  {%- set pki = metalk8s.registry.pki %}
  {%- do options.extend(["--tls-certificate", pki ~ "/server.crt", "--tls-key", pki ~ "/server.key"]) %}
{%- elif not serves_tls and "--no-tls" not in options and "--plain-http" not in options %}
  {%- do options.append("--no-tls") %}
{%- endif %}
{#- The status page shows whether the other nodes serve the same archives. #}
{%- set others = salt["metalk8s.other_nodes"](metalk8s.registry.endpoints) %}
{%- for node in others %}
  {%- do options.extend(["--node", node]) %}
{%- endfor %}
{%- if others and authority %}
  {%- do options.extend(["--ca", authority]) %}
{%- endif %}
{%- if authority %}

include:
  - .trusted
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
        listen: {{ (host ~ ":" ~ metalk8s.registry.port) | tojson }}
        options: {{ options | join(" ") | tojson }}
        archives: {{ archives | tojson }}
