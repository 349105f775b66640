/work/wt/page/tests/xtask/target/debug/deps/xtask-2f8993f808babb91.d: /work/wt/page/.clippy.toml src/main.rs src/freshness.rs src/layer.rs src/machine.rs src/node_root.rs src/peers.rs Cargo.toml

/work/wt/page/tests/xtask/target/debug/deps/libxtask-2f8993f808babb91.rmeta: /work/wt/page/.clippy.toml src/main.rs src/freshness.rs src/layer.rs src/machine.rs src/node_root.rs src/peers.rs Cargo.toml

/work/wt/page/.clippy.toml:
src/main.rs:
src/freshness.rs:
src/layer.rs:
src/machine.rs:
src/node_root.rs:
src/peers.rs:
Cargo.toml:

# env-dep:CARGO_MANIFEST_DIR=/work/wt/page/tests/xtask
# env-dep:CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# env-dep:CLIPPY_CONF_DIR
