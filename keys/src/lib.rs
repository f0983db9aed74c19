//! Keys by name: key requests as values, derivations, and the software key service.
