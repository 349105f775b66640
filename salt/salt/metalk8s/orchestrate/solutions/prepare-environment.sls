# Deploys the Solutions that the namespaces of an environment have in their ConfigMap `metalk8s-environment`:
#   salt-run state.orchestrate metalk8s.orchestrate.solutions.prepare-environment pillar="{'orchestrate': {'env_name': 'prod'}}"
{%- set env_name = salt["pillar.get"]("orchestrate:env_name") %}
{%- set webhook = salt["pillar.get"]("orchestrate:webhook_enabled", false) %}
{%- set available = salt["pillar.get"]("metalk8s:solutions:available", {}) %}
{%- set environments = salt["pillar.get"]("metalk8s:solutions:environments", {}) %}

{%- if not env_name %}
Prepare an environment:
  test.fail_without_changes:
    - name: "the pillar has no environment to prepare: orchestrate:env_name"
{%- elif environments.get("_errors") %}
Prepare environment {{ env_name }}:
  test.fail_without_changes:
    - name: {{ environments["_errors"] | join("; ") | tojson }}
{%- elif env_name not in environments %}
Prepare environment {{ env_name }}:
  test.fail_without_changes:
    - name: environment {{ env_name }} does not exist
{%- else %}
  {%- for namespace, values in (environments[env_name].get("namespaces") or {}) | dictsort %}
    {%- for name, version in (values.get("config") or {}) | dictsort %}

Deploy Solution {{ name }} in namespace {{ namespace }}:
      {%- if version not in (available.get(name) or []) | map(attribute="version") %}
  test.fail_without_changes:
    - name: Solution {{ name }} {{ version }} is not available
      {%- else %}
  sealift.deployed:
    - name: {{ name | tojson }}
    - environment: {{ env_name | tojson }}
    - namespace: {{ namespace | tojson }}
    - version: {{ version | tojson }}
        {%- if webhook %}
    - webhook: true
        {%- endif %}
      {%- endif %}
    {%- endfor %}
  {%- endfor %}

Environment {{ env_name }}:
  test.nop: []
{%- endif %}
