# Writes the policy that says which archives this node accepts, and the public keys that it names. A node whose pillar has no policy
# keeps the one that it has.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set folder = metalk8s.root.rstrip("/") ~ "/etc/sealift" %}
{%- set policy = metalk8s.trust.policy %}

{%- if not policy %}

Keep the policy for archives:
  test.nop: []
{%- elif policy is not string %}

Write the policy for archives:
  test.fail_without_changes:
    - name: "metalk8s:trust:policy is not text: write `policy: |` and the content of trust.yaml below it"
{%- else %}
  {%- set required = [] %}
  {%- for path in [folder, folder ~ "/keys"] %}

Make {{ path }}:
  file.directory:
    - name: {{ path | tojson }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    {%- do required.append({"file": "Make " ~ path}) %}
  {%- endfor %}

  {%- for name, key in metalk8s.trust["keys"] | dictsort %}

{{ ("Write the key " ~ name) | tojson }}:
    {%- if name is match("[A-Za-z0-9][A-Za-z0-9._-]*$") and key is string %}
  file.managed:
    - name: {{ (folder ~ "/keys/" ~ name) | tojson }}
      {%- if key.startswith("salt://") %}
    - source: {{ key | tojson }}
      {%- else %}
    - contents: {{ (key.strip() ~ "\n") | tojson }}
      {%- endif %}
    - user: root
    - group: root
    - mode: '0644'
    - follow_symlinks: false
    - require:
        - file: Make {{ folder }}/keys
      {%- do required.append({"file": "Write the key " ~ name}) %}
    {%- else %}
  test.fail_without_changes:
    - name: "metalk8s:trust:keys: expected names of files, such as vendor.pub, each with a key in PEM or a URL salt://"
      {%- do required.append({"test": "Write the key " ~ name}) %}
    {%- endif %}
  {%- endfor %}

Write the policy for archives:
  file.managed:
    - name: {{ (folder ~ "/trust.yaml") | tojson }}
    {%- if policy.startswith("salt://") %}
    - source: {{ policy.strip() | tojson }}
    {%- else %}
    - contents: {{ (policy.rstrip() ~ "\n") | tojson }}
    {%- endif %}
    - user: root
    - group: root
    - mode: '0644'
    - follow_symlinks: false
    {#- A policy whose keys are missing accepts nothing. #}
    - require: {{ required | tojson }}
{%- endif %}
