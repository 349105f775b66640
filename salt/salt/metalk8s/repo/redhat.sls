# The repositories of the archive of this Salt environment, for dnf and yum.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints with context %}
{%- set release = grains.osmajorrelease %}

{%- if not saltenv.startswith("metalk8s-") %}
Version of the packages:
  test.fail_without_changes:
    - name: apply this state with saltenv=metalk8s-VERSION, not {{ saltenv }}
{%- elif not endpoints and not metalk8s.repo.local_mode %}
Place of the packages:
  test.fail_without_changes:
    - name: the pillar names no node that serves packages (metalk8s:registry:endpoints, networks:control_plane)
{%- else %}
  {%- for repository in metalk8s.repo.repositories %}
    {%- set urls = [] %}
    {%- if metalk8s.repo.local_mode %}
      {%- do urls.append("file://" ~ metalk8s.mount_root ~ "/" ~ saltenv ~ "/packages/redhat/" ~ release
                         ~ "/metalk8s-" ~ repository ~ "-el" ~ release) %}
    {%- else %}
      {%- for endpoint in endpoints %}
        {%- do urls.append(endpoint ~ "/" ~ saltenv ~ "/redhat/" ~ release ~ "/" ~ repository ~ "-el" ~ release) %}
      {%- endfor %}
    {%- endif %}

Configure repository metalk8s-{{ repository }}:
  file.managed:
    - name: {{ metalk8s.repo.directory }}/metalk8s-{{ repository }}.repo
    - source: salt://metalk8s/repo/files/metalk8s.repo.j2
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - context:
        name: metalk8s-{{ repository }}
        urls: {{ urls | tojson }}
  {%- endfor %}
{%- endif %}
