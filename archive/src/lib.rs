//! What an archive is: layout, product information, checksums, verification.
