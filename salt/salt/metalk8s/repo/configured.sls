# Tells the package manager where the archive's repositories are.
{%- if grains.os_family == "RedHat" %}
include:
  - .redhat
{%- elif grains.os_family == "Debian" %}
include:
  - .debian
{%- else %}
Packages for {{ grains.os_family }}:
  test.fail_without_changes:
    - name: the archive has packages for the RedHat and Debian families, and this is {{ grains.os }}
{%- endif %}
