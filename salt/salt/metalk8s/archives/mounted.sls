# Makes every archive that the bootstrap configuration lists one of this node's: verified, and mounted by a unit of systemd
# now and at each boot. sealift does it, so that there is one mechanism for states, scripts and operators.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set archives = salt["metalk8s.get_archives"]() %}
{%- if metalk8s.trust.policy %}

include:
  - metalk8s.archives.trusted
{%- endif %}

{%- for name, archive in archives | dictsort %}

Import archive {{ name }}:
  sealift.imported:
    - name: {{ archive.iso | tojson }}
    - mount: {{ metalk8s.mount }}
    {%- if metalk8s.unverified %}
    - unverified: true
    {%- endif %}
    {%- if metalk8s.trust.policy %}
    - require:
        - sls: metalk8s.archives.trusted
    {%- endif %}
{%- else %}

No archive to mount:
  test.nop: []
{%- endfor %}
