# Adds archives to the bootstrap configuration, or with `remove` takes them off it, as iso-manager.sh does:
#   salt-call state.apply metalk8s.archives.configured pillar='{"archives": ["/archives/metalk8s.iso"]}'
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set remove = salt["pillar.get"]("remove", false) %}
{%- if metalk8s.trust.policy %}

include:
  - metalk8s.archives.trusted
{%- endif %}

{%- for archive in salt["pillar.get"]("archives", []) %}

{{ "Remove" if remove else "Add" }} archive {{ archive | tojson }}:
  {%- if remove %}
  sealift.deleted:
    - name: {{ archive | tojson }}
  {%- else %}
  sealift.imported:
    - name: {{ archive | tojson }}
    - mount: {{ metalk8s.mount }}
    {%- if metalk8s.unverified %}
    - unverified: true
    {%- endif %}
    {%- if metalk8s.trust.policy %}
    - require:
        - sls: metalk8s.archives.trusted
    {%- endif %}
  {%- endif %}
{%- else %}

No archive to configure:
  test.fail_without_changes:
    - name: name the archives in the pillar `archives`
{%- endfor %}
