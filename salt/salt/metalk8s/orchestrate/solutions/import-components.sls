# Makes the Solutions that the SolutionsConfiguration lists available, and serves their images. A master that names the bootstrap
# node in the pillar (`bootstrap_id`) does it there; without that name it is done on this node.
{%- set bootstrap_id = salt["pillar.get"]("bootstrap_id") %}
{%- set available = salt["pillar.get"]("metalk8s:solutions:available", {}) %}

{%- if bootstrap_id %}
Import the Solutions archives:
  salt.state:
    - tgt: {{ bootstrap_id | tojson }}
    - saltenv: {{ saltenv | tojson }}
    - sls:
      - metalk8s.solutions.available

Configure the registry:
  salt.state:
    - tgt: {{ bootstrap_id | tojson }}
    - saltenv: {{ saltenv | tojson }}
    - sls:
      - metalk8s.repo.installed
    - require:
      - salt: Import the Solutions archives
{%- else %}
include:
  - metalk8s.solutions.available
  - metalk8s.repo.installed
{%- endif %}

Update Solutions configuration:
  sealift.published:
    - name: metalk8s-solutions
    - available: {{ available | tojson }}
    - require:
      {%- if bootstrap_id %}
      - salt: Import the Solutions archives
      {%- else %}
      - sls: metalk8s.solutions.available
      {%- endif %}
