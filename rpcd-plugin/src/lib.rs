//! The attendedsysupgrade object as an rpcd plugin.
