# Unmounts every archive that sealift has mounted and that no configuration of this node lists any more.
{%- for name in salt["metalk8s.unlisted_archives"]() %}

Unmount archive {{ name }}:
  sealift.deleted:
    - name: {{ name | tojson }}
{%- else %}

No archive to unmount:
  test.nop: []
{%- endfor %}
