//! The task graph, the project model and the tasks of the build.
