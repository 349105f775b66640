# Unmounts every archive of this platform that the bootstrap configuration no longer lists.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set listed = salt["metalk8s.get_archives"]() %}
{%- set prefix = metalk8s.mount_root ~ "/metalk8s-" %}

{%- for path, mount in salt["mount.active"]() | dictsort
    if mount.fstype == "iso9660" and path.startswith(prefix) and path.rpartition("/")[2] not in listed %}

Unmount archive {{ path }}:
  mount.unmounted:
    - name: {{ path | tojson }}
    - persist: true
{%- else %}

No archive to unmount:
  test.nop: []
{%- endfor %}
