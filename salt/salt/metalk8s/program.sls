# The program by which states do what they do. A node that has it, from the package or by hand, keeps it; any other fetches it
# from a node that serves, where it lies in the archive beside its checksum.
{%- from "metalk8s/map.jinja" import metalk8s, endpoints with context %}

{%- if salt["file.file_exists"](metalk8s.sealift) %}
Use {{ metalk8s.sealift }}:
  test.nop: []
{%- else %}
  {%- set places = [] %}
  {%- for endpoint in endpoints if not places %}
    {%- set place = endpoint ~ "/archives/" ~ saltenv %}
    {%- if "error" not in salt["http.query"](place ~ "/product.txt") %}
      {%- do places.append(place) %}
    {%- endif %}
  {%- endfor %}

Fetch {{ metalk8s.sealift }}:
  {%- if places %}
  file.managed:
    - name: {{ metalk8s.sealift }}
    - source: {{ places[0] }}/bin/sealift
    - source_hash: {{ places[0] }}/SHA256SUMS
    - source_hash_name: bin/sealift
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
  {%- else %}
  test.fail_without_changes:
    - name: >-
        {{ metalk8s.sealift }} is not there and no node serves it in {{ saltenv }}: copy it from bin/ of the archive
  {%- endif %}
{%- endif %}
