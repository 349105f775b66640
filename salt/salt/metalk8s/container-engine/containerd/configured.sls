# Tells containerd which nodes serve the platform's images. containerd reads the file at each pull, so nothing is
# restarted; its configuration must name the folder as `config_path`.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints with context %}

{%- if endpoints %}
Configure mirrors of {{ metalk8s.registry.host }}:
  file.managed:
    - name: {{ metalk8s.containerd.certs_dir }}/{{ metalk8s.registry.host }}/hosts.toml
    - source: salt://metalk8s/container-engine/containerd/files/hosts.toml.j2
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - context:
        endpoints: {{ endpoints | tojson }}
{%- else %}
Mirrors of {{ metalk8s.registry.host }}:
  test.fail_without_changes:
    - name: the pillar names no node that serves images (metalk8s:registry:endpoints, networks:control_plane)
{%- endif %}
