#![no_main]

use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::CapFile;
use libfuzzer_sys::fuzz_target;

// A CAP file that is accepted can be cut into blocks, and the blocks joined are the load file.
fuzz_target!(|bytes: &[u8]| {
    let Ok(cap) = CapFile::parse(bytes) else { return };
    let load_file = cap.to_load_file(DescriptorPolicy::Omit).expect("no Descriptor is asked for");
    if let Ok(blocks) = load_file.blocks(247) {
        let joined: Vec<u8> = blocks.flat_map(|block| block.data.to_vec()).collect();
        assert_eq!(joined, load_file.as_bytes());
    }
});
