# The pillar is the same for every node, in whatever environment it is asked for.
{{ saltenv }}:
  '*':
    - metalk8s.bootstrap
    - metalk8s.solutions
