//! OS packages: RPM building and repository metadata.
