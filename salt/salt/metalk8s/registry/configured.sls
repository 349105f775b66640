# Says what the registry serves: every archive that the bootstrap configuration lists, straight from its ISO file.
{%- from "metalk8s/map.jinja" import metalk8s with context %}

Configure {{ metalk8s.registry.service }}:
  file.managed:
    - name: {{ metalk8s.registry.environment_file }}
    - source: salt://metalk8s/registry/files/sealift.sysconfig.j2
    - template: jinja
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - context:
        listen: {{ metalk8s.registry.listen }}:{{ metalk8s.registry.port }}
        options: {{ metalk8s.registry.options | tojson }}
        archives: {{ salt["metalk8s.get_archives"]() | dictsort | map(attribute="1.iso") | list | tojson }}
