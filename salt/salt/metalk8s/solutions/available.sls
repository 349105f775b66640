# Makes every Solution that the SolutionsConfiguration lists available on this node, and takes off those that it no longer
# lists. A Solution stays as long as it is active.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set solutions = salt["pillar.get"]("metalk8s:solutions", {}) %}
{%- set config = solutions.get("config") or {} %}
{%- set errors = (solutions.get("_errors") or []) + (config.get("_errors") or []) %}
{%- set listed = config.get("archives") or [] %}
{%- if metalk8s.trust.policy %}

include:
  - metalk8s.archives.trusted
{%- endif %}

{%- if errors %}
Read the Solutions:
  test.fail_without_changes:
    - name: {{ errors | unique | join("; ") | tojson }}
{%- else %}
  {%- for archive in listed %}

Import Solution {{ archive | tojson }}:
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
  {%- endfor %}

  {%- for name, versions in (solutions.get("available") or {}) | dictsort %}
    {%- for solution in versions if solution.archive not in listed %}

Remove Solution {{ solution.id }}:
      {%- if solution.active %}
  test.fail_without_changes:
    - name: {{ solution.id }} is active; deactivate it before its archive is removed
      {%- else %}
  sealift.deleted:
    - name: {{ solution.id | tojson }}
      {%- endif %}
    {%- endfor %}
  {%- endfor %}

Solutions of this node:
  test.nop: []
{%- endif %}
