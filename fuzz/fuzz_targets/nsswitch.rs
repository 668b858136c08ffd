//! Any bytes as nsswitch.conf: no service has a name that leads out of the directories of libraries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use thinjail_closure::hints::nsswitch::databases;
use thinjail_fuzz::bounded;

fuzz_target!(|data: &[u8]| {
    bounded(data.len(), 4096, 64, || {
        for (database, services) in databases(data) {
            assert!(!database.contains('\n'));
            for service in services {
                assert!(!service.is_empty() && !service.contains(['/', '$', '.', '[', ']', ' ']), "{service}");
            }
        }
    });
});
