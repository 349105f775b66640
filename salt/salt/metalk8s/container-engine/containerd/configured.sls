# Tells containerd which nodes serve the platform's images. containerd reads the file at each pull, so nothing is
# restarted; its configuration must name the folder as `config_path`.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints, authority with context %}

include:
  - metalk8s.program
  - metalk8s.registry.trusted

{%- if endpoints %}
  {%- set arguments = ["--host", metalk8s.registry.host] %}
  {%- for endpoint in endpoints %}
    {%- do arguments.extend(["--node", endpoint]) %}
  {%- endfor %}
  {%- set ca = metalk8s.containerd.ca or authority %}
  {%- if ca %}
    {%- do arguments.extend(["--ca", ca]) %}
  {%- endif %}

Configure mirrors of {{ metalk8s.registry.host }}:
  sealift.configured:
    - name: registry containerd-config
    - arguments: {{ arguments | tojson }}
    - require:
        - sls: metalk8s.program
  {%- if metalk8s.containerd.original_names %}
    {#- For all registries: without `--host`. #}
    {%- set arguments = ["--original-names"] + arguments[2:] %}
    {%- if metalk8s.containerd.fallback %}
      {%- do arguments.append("--fallback") %}
    {%- endif %}

Configure mirrors of all registries:
  sealift.configured:
    - name: registry containerd-config
    - arguments: {{ arguments | tojson }}
    - require:
        - sls: metalk8s.program
  {%- endif %}
{%- else %}

Mirrors of {{ metalk8s.registry.host }}:
  test.fail_without_changes:
    - name: the pillar names no node that serves images (metalk8s:registry:endpoints, networks:control_plane)
{%- endif %}

{#- Behind a proxy only what is not of the site goes there; the nodes that serve are reached directly. #}
{%- set proxies = salt["pillar.get"]("proxies", {}) %}
{%- set networks = salt["pillar.get"]("networks", {}) %}
{%- set environment = {} %}
{%- for name in ["http", "https"] if proxies.get(name) %}
  {%- do environment.update({name | upper ~ "_PROXY": proxies[name]}) %}
{%- endfor %}
{%- if environment %}
  {%- set direct = ["localhost", "127.0.0.1", metalk8s.registry.host] %}
  {%- do direct.extend(networks.get("control_plane", {}).get("cidr", [])) %}
  {%- do direct.extend(networks.get("workload_plane", {}).get("cidr", [])) %}
  {%- do direct.extend([networks.get("pod"), networks.get("service")] | select | list) %}
  {%- do direct.extend(proxies.get("no_proxy") or []) %}
  {%- do environment.update({"NO_PROXY": direct | unique | join(",")}) %}
{%- endif %}
{%- if environment or metalk8s.containerd.args %}

Configure the service of containerd:
  file.managed:
    - name: {{ metalk8s.containerd.drop_in }}
    - source: salt://metalk8s/container-engine/containerd/files/50-metalk8s.conf.j2
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - context:
        containerd_args: {{ metalk8s.containerd.args | tojson }}
        environment: {{ environment | tojson }}
{%- endif %}
