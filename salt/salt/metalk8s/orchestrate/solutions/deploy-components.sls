# Deploys the custom resource definitions of the active version of each Solution. Those of Solutions that are not active stay:
# without them the cluster would delete all of their objects.
{%- set solutions = salt["pillar.get"]("metalk8s:solutions", {}) %}
{%- set config = solutions.get("config") or {} %}
{%- set errors = (solutions.get("_errors") or []) + (config.get("_errors") or []) %}
{%- set available = solutions.get("available") or {} %}

{%- if errors %}
Read the Solutions:
  test.fail_without_changes:
    - name: {{ errors | unique | join("; ") | tojson }}
{%- else %}
  {%- for name, version in (config.get("active") or {}) | dictsort %}
    {%- set versions = (available.get(name) or []) | map(attribute="version") | list %}
    {%- if not versions %}

Deploy components of Solution {{ name }}:
  test.fail_without_changes:
    - name: no version of Solution {{ name }} is available
    {%- elif version != "latest" and version not in versions %}

Deploy components of Solution {{ name }}:
  test.fail_without_changes:
    - name: Solution {{ name }} {{ version }} is not available
    {%- else %}

Deploy components of Solution {{ name }}:
  sealift.activated:
    - name: {{ name | tojson }}
    - version: {{ version | tojson }}
    - require_in:
      - sealift: Update Solutions configuration
    {%- endif %}
  {%- endfor %}

Update Solutions configuration:
  sealift.published:
    - name: metalk8s-solutions
    - available: {{ available | tojson }}
{%- endif %}
