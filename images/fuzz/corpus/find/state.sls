{% set a = 1 %}
- image: {% raw %}a.io/b:1{% endraw %} # c
  image: {{ d('e.io/f:2') }}
services: {x: {image: 'y:${Z:-1}'}}
