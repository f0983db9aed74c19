#![no_main]

use cardwright::gp::Registry;
use cardwright::gp::command::Scope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut registry = Registry::default();
    for scope in [Scope::IssuerSecurityDomain, Scope::Applications, Scope::LoadFilesAndModules] {
        let _ = registry.extend(scope, bytes);
        let _ = registry.extend_legacy(scope, bytes);
    }
    for entry in &registry.entries {
        let _ = registry.dependants(&entry.aid);
        let _ = entry.privileges.names();
        let _ = entry.life_cycle.map(|life_cycle| life_cycle.name(entry.scope));
    }
});
