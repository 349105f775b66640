/work/wt/page/tests/xtask/target/debug/deps/cargo_static-1a250faf661745ce.d: /work/wt/page/buildchain/cargo-static/src/lib.rs

/work/wt/page/tests/xtask/target/debug/deps/libcargo_static-1a250faf661745ce.rmeta: /work/wt/page/buildchain/cargo-static/src/lib.rs

/work/wt/page/buildchain/cargo-static/src/lib.rs:
