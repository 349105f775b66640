# What /etc/metalk8s/solutions.yaml says, and which Solutions this node has. Without the file there are none. A minion's
# configuration may name another file (`metalk8s_solutions_config`).
{%- set path = salt["config.get"]("metalk8s_solutions_config", "/etc/metalk8s/solutions.yaml") %}
{%- set errors = [] %}
{%- set config = {} %}
{%- if salt["file.file_exists"](path) %}
  {%- do config.update(salt["slsutil.renderer"](path=path, default_renderer="yaml") or {}) %}
  {%- if config.get("kind") != "SolutionsConfiguration" %}
    {%- do errors.append(path ~ ": expected the kind SolutionsConfiguration, found " ~ config.get("kind")) %}
  {%- endif %}
  {%- if "metalk8s.scality.com/" not in (config.get("apiVersion") or "") %}
    {%- do errors.append(path ~ ": expected an apiVersion solutions.metalk8s.scality.com/..., found " ~ config.get("apiVersion")) %}
  {%- endif %}
  {%- if "metalk8s.solutions" not in salt %}
    {%- do errors.append("the module metalk8s is not there: run saltutil.sync_modules and saltutil.refresh_pillar") %}
  {%- endif %}
{%- endif %}
metalk8s:
  solutions:
{%- if errors %}
    _errors: {{ errors | tojson }}
    available: {}
    config:
      _errors: {{ errors | tojson }}
{%- else %}
    available: {{ (salt["metalk8s.solutions"](config) if config else {}) | tojson }}
    config: {{ config | tojson }}
{%- endif %}
    # An environment is a group of namespaces, described by the ConfigMap `metalk8s-environment` in each of them. The cluster has
    # them; without one there are none.
    environments: {{ (salt["metalk8s.environments"]() if "metalk8s.environments" in salt else {}) | tojson }}
