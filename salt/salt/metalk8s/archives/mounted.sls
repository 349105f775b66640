# Mounts every archive that the bootstrap configuration lists, now and at each boot; an archive is verified
# before it is mounted for the first time.
{%- from "metalk8s/map.jinja" import metalk8s with context %}
{%- set archives = salt["metalk8s.get_archives"]() %}

{%- for name, archive in archives | dictsort %}

Verify archive {{ name }}:
  cmd.run:
    - name: '"$SEALIFT" archive verify "$ARCHIVE"'
    - env:
        - SEALIFT: {{ metalk8s.sealift | tojson }}
        - ARCHIVE: {{ archive.iso | tojson }}
    - unless: mountpoint -q {{ archive.path }}

Mount archive {{ name }}:
  mount.mounted:
    - name: {{ archive.path | tojson }}
    - device: {{ archive.iso | tojson }}
    - fstype: iso9660
    - mkmnt: true
    - opts: [ro, loop, nodev, nosuid, nofail]
    - persist: true
    - require:
        - cmd: Verify archive {{ name }}
{%- else %}

No archive to mount:
  test.nop: []
{%- endfor %}
