# The repositories of the archive of this Salt environment, for apt.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints, authority with context %}
{%- set release = metalk8s.repo.release or grains.oscodename %}
{%- set mounted = metalk8s.mount_root ~ "/" ~ saltenv %}

include:
  - metalk8s.program
  - metalk8s.registry.trusted

{%- if not saltenv.startswith("metalk8s-") %}

Version of the packages:
  test.fail_without_changes:
    - name: apply this state with saltenv=metalk8s-VERSION, not {{ saltenv }}
{%- elif not endpoints %}

Place of the packages:
  test.fail_without_changes:
    - name: the pillar names no node that serves packages (metalk8s:registry:endpoints, networks:control_plane)
{%- else %}
  {%- set archive = salt["metalk8s.archive_here"](saltenv) or (mounted if salt["file.directory_exists"](mounted) else "") %}
  {%- if not archive %}

Archive of the packages:
  test.fail_without_changes:
    - name: this node does not have the archive of {{ saltenv }}, which has the suites and keys for apt
  {%- else %}
    {%- set arguments = ["--release", release] %}
    {%- for endpoint in endpoints %}
      {%- do arguments.extend(["--node", endpoint]) %}
    {%- endfor %}
    {%- if authority %}
      {%- do arguments.extend(["--ca", authority]) %}
    {%- endif %}

Configure repositories of {{ saltenv }}:
  sealift.configured:
    - name: repository apt-config
    - arguments: {{ (arguments + [archive]) | tojson }}
    - require:
        - sls: metalk8s.program
  {%- endif %}
{%- endif %}
