//! Container images: references, pull, content store, static registry layout.
