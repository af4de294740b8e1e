//! Loads the rpcd plugin as rpcd does.
