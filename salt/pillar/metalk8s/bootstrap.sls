# What /etc/metalk8s/bootstrap.yaml says, in the shape that the states read. The file may be missing: then nothing is
# known, and `_errors` says so. A minion's configuration may name another file (`metalk8s_bootstrap_config`) and the
# `sealift` to use (`metalk8s_sealift`).
{%- set path = salt["config.get"]("metalk8s_bootstrap_config", "/etc/metalk8s/bootstrap.yaml") %}
{%- set errors = [] %}
{%- set config = {} %}
{%- if salt["file.file_exists"](path) %}
  {%- do config.update(salt["slsutil.renderer"](path=path, default_renderer="yaml") or {}) %}
  {%- if config.get("kind") != "BootstrapConfiguration" %}
    {%- do errors.append(path ~ ": expected the kind BootstrapConfiguration, found " ~ config.get("kind")) %}
  {%- endif %}
  {%- if not (config.get("apiVersion") or "").startswith("metalk8s.scality.com/") %}
    {%- do errors.append(path ~ ": expected an apiVersion metalk8s.scality.com/..., found " ~ config.get("apiVersion")) %}
  {%- endif %}
{%- else %}
  {%- do errors.append(path ~ ": no such file") %}
{%- endif %}
metalk8s:
{%- set sealift = salt["config.get"]("metalk8s_sealift", "") %}
{%- if sealift %}
  sealift: {{ sealift | tojson }}
{%- endif %}
{#- The authority that bootstrap.sh made, or that of the site: the nodes serve with TLS. #}
{%- set authority = salt["config.get"]("metalk8s_authority", "/etc/sealift/pki/ca.crt") %}
{%- if salt["file.file_exists"](authority) %}
  registry: {authority: {{ salt["file.read"](authority) | tojson }}}
{%- endif %}
{%- if errors %}
  _errors: {{ errors | tojson }}
{%- else %}
  {#- The first BootstrapConfiguration had `products`. #}
  {%- set products = config.get("products") or {} %}
  archives: {{ ((config.get("archives") or []) + (products.get("metalk8s") or [])) | tojson }}
  {%- set networks = config.get("networks") or {} %}
  {%- set planes = {} %}
  {%- for plane, key in [("control_plane", "controlPlane"), ("workload_plane", "workloadPlane")] %}
    {#- A plane is a mapping; before v1alpha3 it was its CIDR alone. A CIDR may be one or a list. #}
    {%- set given = networks.get(key) or {} %}
    {%- set fields = given if given is mapping else {"cidr": given} %}
    {%- set cidr = fields.get("cidr") or [] %}
    {%- do planes.update({plane: dict(fields, cidr=[cidr] if cidr is string else cidr)}) %}
  {%- endfor %}
networks: {{ dict(planes, pod=networks.get("pods", "10.233.0.0/16"), service=networks.get("services", "10.96.0.0/12")) | tojson }}
proxies: {{ (config.get("proxies") or {}) | tojson }}
{%- endif %}
