//! The order of versions in the Salt module and in `node` is the same.

use std::process::Command;

use tests::{peer, sealift};

/// Sorts the versions of each line of a file, in several orders, with the module in place of Salt.
const SORT: &str = "
import importlib.util, sys, types
for name in ('salt', 'salt.utils', 'salt.utils.yaml', 'salt.exceptions'):
    sys.modules[name] = types.ModuleType(name)
sys.modules['salt.exceptions'].CommandExecutionError = Exception
spec = importlib.util.spec_from_file_location('metalk8s', sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for line in open(sys.argv[2]):
    if line.startswith('#'):
        continue
    expected = line.split()
    for turn in range(len(expected)):
        given = expected[::-1]
        given = given[turn:] + given[:turn]
        found = module._by_version(given, lambda version: version)
        assert found == expected, found
print('the same')
";

#[test]
fn the_salt_module_orders_versions_as_the_node_does() {
    let Some(python) = peer::find("python3") else { return };
    let repository = sealift::repository();
    let mut command = Command::new(python);
    // No cache of bytecode beside the module.
    command.args(["-B", "-c", SORT]).arg(repository.join("salt/salt/_modules/metalk8s.py"));
    command.arg(repository.join("archive/src/versions.txt"));
    assert_eq!(peer::run(&mut command).stdout, b"the same\n");
}
