# The repositories of the archive of this Salt environment, for dnf and yum.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints, authority with context %}
{%- set release = grains.osmajorrelease | string %}

include:
  - metalk8s.program
  - metalk8s.registry.trusted

{%- if not saltenv.startswith("metalk8s-") %}

Version of the packages:
  test.fail_without_changes:
    - name: apply this state with saltenv=metalk8s-VERSION, not {{ saltenv }}
{%- elif not endpoints and not metalk8s.repo.local_mode %}

Place of the packages:
  test.fail_without_changes:
    - name: the pillar names no node that serves packages (metalk8s:registry:endpoints, networks:control_plane)
{%- else %}
  {%- set arguments = ["--release", release] %}
  {%- if metalk8s.repo.local_mode %}
    {%- do arguments.extend(["--folders", metalk8s.mount_root ~ "/" ~ saltenv]) %}
  {%- else %}
    {%- for endpoint in endpoints %}
      {%- do arguments.extend(["--node", endpoint]) %}
    {%- endfor %}
    {%- if authority %}
      {%- do arguments.extend(["--ca", authority]) %}
    {%- endif %}
    {#- An archive says what repositories it has, and by which keys they are signed. #}
    {%- set archive = salt["metalk8s.archive_here"](saltenv) %}
    {%- if archive %}
      {%- do arguments.append(archive) %}
    {%- else %}
      {%- for repository in metalk8s.repo.repositories %}
        {%- do arguments.extend(["--served", saltenv ~ "/redhat/" ~ release ~ "/" ~ repository ~ "-el" ~ release]) %}
      {%- endfor %}
      {%- for key in metalk8s.repo.get("keys", []) %}
        {%- do arguments.extend(["--served-key", key]) %}
      {%- endfor %}
    {%- endif %}
  {%- endif %}

Configure repositories of {{ saltenv }}:
  sealift.configured:
    - name: repository dnf-config
    - arguments: {{ arguments | tojson }}
    - require:
        - sls: metalk8s.program
{%- endif %}
